#include "tests/devices.h"

#include "tensor/cuda/status.h"

namespace ember {

std::vector<Device> test_devices() {
#ifdef EMBER_TEST_EMULATED
  return {Device::cuda};
#else
  const cuda::Status& status = cuda::status();
  if (!status.emulated && status.usable()) return {Device::cpu, Device::cuda};
  return {Device::cpu};
#endif
}

}  // namespace ember
