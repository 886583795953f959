// The convolution tests of tests/kernels, with cuDNN computing on a real GPU.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "kernels/conv_backend.h"
#include "tensor/error.h"
#include "tests/devices.h"

int main(int argc, char** argv) {
  try {
    const auto devices = ember::test_devices();
    if (std::find(devices.begin(), devices.end(), ember::Device::cuda) == devices.end()) {
      fmt::print("skipped: cuDNN computes on a GPU, and there is none here\n");
      return 0;
    }
    ember::set_conv_backend(ember::ConvBackend::cudnn);
  } catch (const ember::Error& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  return doctest::Context(argc, argv).run();
}
