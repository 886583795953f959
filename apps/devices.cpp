#include <fmt/format.h>
#include <hwy/targets.h>

#include <CLI/CLI.hpp>

#include "apps/program.h"
#include "kernels/cudnn/library.h"
#include "tensor/cuda/status.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace ember {
namespace {

std::string cudnn_text() {
  try {
    const cudnn::Library& library = cudnn::library();
    return fmt::format("{}, {}", library.version, library.path);
  } catch (const Error& error) {
    return fmt::format("none: {}", error.what());
  }
}

/// The best instruction set that both this CPU and the kernels know.
const char* simd_target() {
  const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(targets & -targets);
}

void print_devices() {
  const auto line = [](std::string_view name, const std::string& text) {
    fmt::print("{:<8}{}\n", name, text);
  };
  line("CPU", fmt::format("{}, {} threads", simd_target(), thread_count()));
  const cuda::Status& status = cuda::status();
  line("CUDA", status.emulated ? "none: this program is built for the emulated GPU"
                               : cuda::version_text(status.runtime_version));
  if (!status.emulated) {
    line("driver", status.driver_version == 0
                       ? "none"
                       : fmt::format("knows CUDA {}", cuda::version_text(status.driver_version)));
  }
  for (const cuda::Gpu& gpu : status.gpus) {
    line("GPU",
         fmt::format("{}, sm_{}, {} multiprocessors, {:.1f} GiB", gpu.name, gpu.architecture,
                     gpu.multiprocessors, static_cast<double>(gpu.memory_bytes) / (1 << 30)));
  }
  if (!status.usable()) line("GPU", "none to compute on: " + status.reason);
  line("cuDNN", cudnn_text());
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  CLI::App app("Prints what Ember finds to compute on: the CPU, GPUs, their driver, cuDNN.",
               "devices");
  return ember::run_program(app, argc, argv, [] { ember::print_devices(); });
}
