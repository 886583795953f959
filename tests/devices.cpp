#include "tests/devices.h"

#include "tensor/parallel.h"

#ifdef EMBER_TEST_EMULATED
#include <cstdlib>

#include "kernels/emulator/emulator.h"
#else
#include "tensor/cuda/status.h"
#endif

namespace ember {

#ifdef EMBER_TEST_EMULATED

std::vector<Device> test_devices() { return {Device::cuda}; }

int order_count(Device) {
  const char* seeds = std::getenv("EMBER_EMULATOR_SEEDS");
  return seeds == nullptr ? 2 : std::atoi(seeds);
}

void set_order(Device, int order) { emulator::set_seed(static_cast<uint64_t>(order) + 1); }

#else

std::vector<Device> test_devices() {
  const cuda::Status& status = cuda::status();
  if (!status.emulated && status.usable()) return {Device::cpu, Device::cuda};
  return {Device::cpu};
}

int order_count(Device) { return 3; }

void set_order(Device device, int order) {
  if (device == Device::cpu) set_thread_count(order + 1);
}

#endif

}  // namespace ember
