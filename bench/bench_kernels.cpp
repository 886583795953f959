// The kernels alone, at the shapes of the models' layers, on every device: see bench/suite.h for
// names and rates.
#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apps/program.h"
#include "bench/benchmark_flags.h"
#include "bench/suite.h"
#include "kernels/cudnn/library.h"
#include "tensor/cuda/status.h"
#include "tensor/error.h"

namespace ember {
namespace {

struct Options {
  int64_t batch = 32;
  int64_t image_size = 128;
  bool emulated = false;
};

bool has_cudnn() {
  try {
    cudnn::library();
    return true;
  } catch (const Error& error) {
    benchmark::AddCustomContext("cudnn", error.what());
    return false;
  }
}

std::vector<Suite> suites(const Options& options) {
  const cuda::Status& status = cuda::status();
  if (options.emulated && !status.emulated) {
    fail(ExitCode::unavailable,
         "--emulated: this program is built for a real GPU; use "
         "bench_kernels_emulated");
  }
  Suite suite{.device = Device::cpu,
              .name = "cpu",
              .batch = options.batch,
              .image_size = options.image_size,
              .cudnn = false,
              .copy_bandwidth = copy_bandwidth(Device::cpu)};
  std::vector<Suite> found{suite};
  if (status.usable() && status.emulated == options.emulated) {
    suite.device = Device::cuda;
    suite.name = status.emulated ? "emulated" : "cuda";
    suite.cudnn = has_cudnn();
    suite.copy_bandwidth = copy_bandwidth(Device::cuda);
    benchmark::AddCustomContext(suite.name, status.gpus.at(0).name);
    found.push_back(suite);
  } else if (!status.usable()) {
    benchmark::AddCustomContext("cuda", status.reason);
  }
  for (const Suite& each : found) {
    benchmark::AddCustomContext("copy on " + each.name,
                                fmt::format("{:.1f} GB/s", 1e-9 * each.copy_bandwidth));
  }
  return found;
}

void bench(const Options& options, std::vector<std::string> flags) {
  // What follows overrides them.
  flags.insert(flags.begin(), {"--benchmark_counters_tabular=true", "--benchmark_min_time=0.1"});
  take_benchmark_flags(std::move(flags), "bench_kernels");

  const std::vector<Suite> all = suites(options);
  for (auto* bench_operation :
       {bench_matmul, bench_conv2d, bench_fused, bench_dense, bench_batch_norm, bench_pending,
        bench_add, bench_max_pool2d, bench_global_average_pool, bench_dropout,
        bench_softmax_cross_entropy, bench_adam, bench_warp}) {
    for (const Suite& suite : all) bench_operation(suite);
  }
  benchmark::RunSpecifiedBenchmarks();
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  ember::Options options;
  CLI::App app("Times the kernels at the shapes of the models' layers, on the CPU and on the GPU.",
               "bench_kernels");
  app.add_option("--batch", options.batch, "Images in a batch")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--image-size", options.image_size, "Pixels a side, a multiple of 32")
      ->check(CLI::Range(32, 1024))
      ->capture_default_str();
  app.add_flag("--emulated", options.emulated,
               "Run on the emulated GPU, too: that everything works; its times say nothing");
  app.allow_extras();
  app.footer(
      "Google Benchmark's options are taken, too: --benchmark_filter=REGEX, "
      "--benchmark_list_tests, "
      "--benchmark_out=FILE.");
  return ember::run_program(app, argc, argv, [&] { ember::bench(options, app.remaining()); });
}
