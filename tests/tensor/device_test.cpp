#include "tensor/device.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>

#include "tensor/cuda/status.h"
#include "tensor/cuda/timing.h"
#include "tensor/scratch.h"
#include "tensor/tensor.h"
#include "tests/devices.h"
#include "tests/orders.h"
#include "tests/tensor/counting.h"

namespace ember {
namespace {

bool has_gpu() { return cuda::status().usable(); }

}  // namespace

TEST_CASE("a GPU that cannot be used is refused with the reason") {
  if (has_gpu()) return;
  try {
    Tensor tensor({1}, Device::cuda);
    FAIL_CHECK("was made");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::unavailable);
    CHECK(std::string(error.what()).find("device cuda: " + cuda::status().reason) == 0);
  }
  CHECK_THROWS_AS(Storage(Device::cpu, 4, HostMemory::pinned), Error);
}

TEST_CASE("the GPU takes longer for more work") {
  if (!has_gpu()) return;
  const auto seconds_to_fill = [](int64_t count) {
    Tensor tensor({count}, Device::cuda);
    return cuda::seconds_of([&] { tensor.fill(1); });
  };
  CHECK(seconds_to_fill(1) > 0);
  CHECK(seconds_to_fill(4 << 20) > seconds_to_fill(1));
  CHECK(cuda::copy_bandwidth() > 1e6);
}

TEST_CASE("what CUDA finds agrees with itself") {
  const cuda::Status& status = cuda::status();
  if (status.usable()) {
    REQUIRE_FALSE(status.gpus.empty());
    CHECK(status.gpus[0].architecture >= 75);
    CHECK(status.gpus[0].memory_bytes > 0);
    CHECK(status.gpus[0].cache_bytes > 0);
    // A driver serves every runtime of its major version.
    CHECK(status.driver_version / 1000 >= status.runtime_version / 1000);
  } else {
    CHECK(status.reason.find('\n') == std::string::npos);
  }
}

TEST_CASE("tensors go to a device and come back, whole or in part") {
  for (Device device : test_devices()) {
    const Tensor host = counting({4, 300});
    Tensor there = host.to(device);
    CHECK(there.device() == device);
    CHECK(there.shape() == host.shape());
    const Tensor back = there.rows(1, 3).clone().to(Device::cpu);
    CHECK(back.values()[0] == 300);
    CHECK(back.values()[599] == 899);
    Tensor empty({0, 3}, device);
    CHECK(empty.to(Device::cpu).size() == 0);
    empty.fill(1);
  }
}

TEST_CASE("tensors are filled on every device, and only they") {
  for (Device device : test_devices()) {
    for (int64_t count : {1, 255, 256, 257, 1000}) {
      Tensor tensor = Tensor::zeros({count + 2}, device);
      tensor.rows(1, count + 1).fill(-2.5f);
      const Tensor host = tensor.to(Device::cpu);
      CHECK(host.values()[0] == 0);
      CHECK(std::count(host.values().begin(), host.values().end(), -2.5f) == count);
      CHECK(host.values().back() == 0);
      const ByteTensor bytes = ByteTensor::filled({count}, 7, device).to(Device::cpu);
      CHECK(std::count(bytes.values().begin(), bytes.values().end(), 7) == count);
      const LabelTensor labels = LabelTensor::filled({count}, -7, device).to(Device::cpu);
      CHECK(std::count(labels.values().begin(), labels.values().end(), -7) == count);
    }
  }
}

TEST_CASE("the elements of a tensor on a GPU are not the host's to read") {
  for (Device device : test_devices()) {
    if (device == Device::cpu) continue;
    const Tensor tensor({3}, device);
    CHECK_THROWS_WITH_AS(tensor.values(), doctest::Contains("on cuda"), Error);
  }
}

TEST_CASE("a GPU without room says how much there is") {
  for (Device device : test_devices()) {
    if (device == Device::cpu) continue;
    CHECK_THROWS_WITH_AS(Storage(device, size_t{1} << 45),
                         doctest::Contains("the GPU has no room for 33554433 MiB more ("), Error);
    CHECK(Tensor::zeros({1}, device).to(Device::cpu).values()[0] == 0);
  }
}

TEST_CASE("copies through pinned memory need no wait until somebody reads") {
  for (Device device : test_devices()) {
    if (device == Device::cpu) continue;
    const Shape shape{5, 100};
    const auto bytes = static_cast<size_t>(shape.size()) * sizeof(float);
    const auto pinned = [&] {
      return Tensor(shape, std::make_shared<Storage>(Device::cpu, bytes, HostMemory::pinned), 0);
    };
    Tensor from = pinned();
    Tensor to = pinned();
    Tensor there(shape, device);
    std::iota(from.values().begin(), from.values().end(), 0.0f);
    to.fill(-1);
    const DeviceStats before = device_stats();
    copy_bytes_async(there.data(), device, from.data(), Device::cpu, bytes);
    copy_bytes_async(to.data(), Device::cpu, there.data(), device, bytes);
    CHECK(device_stats().host_waits == before.host_waits);
    synchronize(device);
    const DeviceStats after = device_stats();
    CHECK(after.copies == before.copies + 2);
    CHECK(after.host_waits == before.host_waits + 1);
    CHECK(after.launches == before.launches);
    CHECK(std::memcmp(from.data(), to.data(), bytes) == 0);
  }
}

TEST_CASE("orders: filling") {
  for (Device device : test_devices()) {
    for (int64_t count : {1, 255, 257, 1000}) {
      require_equal_in_any_order(
          device, [&] { return std::vector{Tensor::filled({count}, -2.5f, device)}; });
    }
  }
}

TEST_CASE("filling takes one launch") {
  for (Device device : test_devices()) {
    Tensor tensor({1000}, device);
    const DeviceStats before = device_stats();
    tensor.fill(1);
    tensor.rows(0, 0).fill(1);
    CHECK(device_stats().launches == before.launches + (device == Device::cuda ? 1 : 0));
  }
}

TEST_CASE("scratch memory of a GPU only grows") {
  for (Device device : test_devices()) {
    if (device == Device::cpu) continue;
    float* large = scratch(Scratch::input_block, 100'000, device);
    const int64_t allocations = memory_stats().allocations;
    CHECK(scratch(Scratch::input_block, 10, device) == large);
    CHECK(scratch(Scratch::output_block, 10, device) != large);
    CHECK(scratch(Scratch::output_block, 10, device) == scratch(Scratch::output_block, 5, device));
    CHECK(memory_stats().allocations <= allocations + 1);
  }
}

TEST_CASE("storage of every device is counted") {
  for (Device device : test_devices()) {
    const MemoryStats before = memory_stats();
    {
      const Tensor tensor({1000}, device);
      CHECK(memory_stats().allocations == before.allocations + 1);
      CHECK(memory_stats().current_bytes == before.current_bytes + 4000);
    }
    CHECK(memory_stats().current_bytes == before.current_bytes);
  }
}

}  // namespace ember
