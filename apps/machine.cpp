#include "apps/machine.h"

#include <fmt/format.h>

#include <vector>

#include "apps/option_group.h"
#include "kernels/conv_backend.h"
#include "tensor/cuda/status.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace ember {
namespace {

#ifdef EMBER_OFFER_EMULATED
constexpr bool kOffersEmulated = true;
#else
constexpr bool kOffersEmulated = false;
#endif

}  // namespace

void add_machine_options(CLI::App& app, std::string& device, int& threads) {
  OptionGroup machine(app, "Machine");
  std::vector<std::string> devices{"auto", "cpu", "cuda"};
  if (kOffersEmulated) devices.emplace_back("emulated");
  machine.add_choice("--device", device, devices,
                     "Where to compute; auto is a GPU where there is one");
  machine
      .add_number("--threads", "N", threads, whole_number(1, 1024),
                  "CPU threads; the results do not depend on them")
      ->default_str("all");
}

void add_conv_option(CLI::App& app, std::string& conv) {
  OptionGroup machine(app, "Machine");
  machine.add_choice("--conv", conv, {"auto", "own", "cudnn"},
                     "Kernels of convolutions on a GPU; auto is Ember's own");
}

void use_conv(std::string& conv, const std::string& device) {
  const bool cudnn = conv == "cudnn";
  set_conv_backend(cudnn ? ConvBackend::cudnn : ConvBackend::own);
  if (cudnn && device != "cuda") {
    fail(ExitCode::unavailable,
         "--conv cudnn: cuDNN computes on a GPU, but the device is {}; leave --conv out", device);
  }
  if (!cudnn) conv = "own";
}

Device select_device(const std::string& name) {
  if (name == "cpu") return Device::cpu;
  if (name == "emulated" && kOffersEmulated) return Device::cuda;
  const cuda::Status& status = cuda::status();
  const std::string reason =
      status.emulated ? "this build of Ember is without CUDA" : status.reason;
  if (reason.empty()) return Device::cuda;
  if (name == "cuda") {
    fail(ExitCode::unavailable, "--device cuda: {}; use --device cpu or leave it out", reason);
  }
  if (!status.emulated) fmt::print(stderr, "note: no GPU: {}; computing on the CPU\n", reason);
  return Device::cpu;
}

Device use_machine(std::string& device, int& threads) {
  const Device selected = select_device(device);
  if (device != "emulated") device = to_string(selected);
  if (threads > 0) set_thread_count(threads);
  threads = thread_count();
  return selected;
}

}  // namespace ember
