#include "tests/devices.h"

#include <cstdlib>

#include "tensor/parallel.h"

#ifdef EMBER_TEST_EMULATED
#include "kernels/emulator/emulator.h"
#include "tensor/error.h"
#else
#include "tensor/cuda/status.h"
#include "tensor/error.h"
#endif

namespace ember {

#ifdef EMBER_TEST_EMULATED

namespace {

/// What EMBER_EMULATOR_SEEDS says.
struct Seeds {
  uint64_t first = 1;
  uint64_t last = 2;
};

Seeds seeds() {
  Seeds seeds;
  if (const char* range = std::getenv("EMBER_EMULATOR_SEEDS")) {
    char* dash = nullptr;
    seeds.first = std::strtoull(range, &dash, 10);
    if (*dash == '-') seeds.last = std::strtoull(dash + 1, nullptr, 10);
    EMBER_REQUIRE(*dash == '-' && seeds.first <= seeds.last,
                  "EMBER_EMULATOR_SEEDS={} is not FIRST-LAST", range);
  }
  return seeds;
}

}  // namespace

std::vector<Device> test_devices() {
  set_order(Device::cuda, 0);
  return {Device::cuda};
}

int order_count(Device) { return static_cast<int>(seeds().last - seeds().first) + 1; }

void set_order(Device, int order) {
  emulator::set_seed(seeds().first + static_cast<uint64_t>(order));
}

#else

std::vector<Device> test_devices() {
  const cuda::Status& status = cuda::status();
  if (!status.emulated && status.usable()) return {Device::cpu, Device::cuda};
  if (std::getenv("EMBER_TEST_REQUIRE_GPU") != nullptr) {
    fail(ExitCode::unavailable, "EMBER_TEST_REQUIRE_GPU is set, but {}",
         status.emulated ? "this build has no nvcc" : status.reason);
  }
  return {Device::cpu};
}

int order_count(Device) { return 3; }

void set_order(Device device, int order) {
  if (device == Device::cpu) set_thread_count(order + 1);
}

#endif

}  // namespace ember
