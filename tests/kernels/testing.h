#pragma once

#include <doctest/doctest.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "tensor/random.h"
#include "tensor/tensor.h"
#include "tests/devices.h"
#include "tests/orders.h"

/// What the operation tests share: a run on every device, inputs and poisoned outputs there, and
/// comparisons, which copy back what they compare.
namespace ember {

/// Where the helpers below make their tensors; `for_each_device` sets it.
inline Device test_device = Device::cpu;

/// Runs `body` on each device there is: on the CPU once for each SIMD target of this machine (SSE4,
/// AVX2, AVX-512, ...), and on a real or an emulated GPU, see tests/devices.h.
template <typename Body>
void for_each_device(const Body& body) {
  struct Scope {
    Scope(Device device, int64_t simd_target) {
      test_device = device;
      hwy::SetSupportedTargetsForTest(simd_target);
    }
    ~Scope() {
      test_device = Device::cpu;
      hwy::SetSupportedTargetsForTest(0);
    }
  };
  for (const Device device : test_devices()) {
    INFO("device " << to_string(device));
    if (device != Device::cpu) {
      const Scope scope(device, 0);
      body();
      continue;
    }
    for (int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
      const int64_t target = targets & -targets;
      if ((target & HWY_TARGETS) == 0) continue;
      INFO("SIMD target " << hwy::TargetName(target));
      const Scope scope(device, target);
      body();
    }
  }
}

/// A copy on the device under test.
template <typename T>
TensorOf<T> on_device(const TensorOf<T>& tensor) {
  return tensor.to(test_device);
}

/// Whole numbers in [low, high]: sums and products of them are exact in float32 while they stay
/// below 2^24.
inline Tensor random_integers(Shape shape, int low, int high, uint64_t seed) {
  const Philox generator(seed, Purpose::weights, 0);
  Tensor tensor(shape);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    const uint32_t span = static_cast<uint32_t>(high - low + 1);
    tensor.data()[i] =
        static_cast<float>(low + static_cast<int>(generator.bits(static_cast<uint64_t>(i)) % span));
  }
  return on_device(tensor);
}

/// Uniform in [low, high).
inline Tensor random_uniform(Shape shape, float low, float high, uint64_t seed) {
  const Philox generator(seed, Purpose::weights, 1);
  Tensor tensor(shape);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    tensor.data()[i] = low + (high - low) * generator.uniform(static_cast<uint64_t>(i));
  }
  return on_device(tensor);
}

inline Tensor filled(Shape shape, float value) { return on_device(Tensor::filled(shape, value)); }

/// NaN everywhere, so that an element an operation forgets to write fails the test.
inline Tensor poisoned(Shape shape) {
  return filled(shape, std::numeric_limits<float>::quiet_NaN());
}

/// The elements, from any device.
inline std::vector<double> to_double(const Tensor& tensor) {
  const Tensor host = tensor.to(Device::cpu);
  return {host.values().begin(), host.values().end()};
}

/// The `count` elements at `data` on the device under test.
inline std::vector<double> to_double(const float* data, size_t count) {
  std::vector<float> host(count);
  copy_bytes(host.data(), Device::cpu, data, test_device, count * sizeof(float));
  return {host.begin(), host.end()};
}

/// |a - b| / |b| in the 2-norm; infinite when anything is NaN.
inline double relative_l2(const std::vector<double>& a, const std::vector<double>& b) {
  double error = 0;
  double norm = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    error += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  const double result = norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
  return std::isnan(result) ? std::numeric_limits<double>::infinity() : result;
}
inline double relative_l2(const Tensor& a, const std::vector<double>& b) {
  return relative_l2(to_double(a), b);
}

/// Whether every element is the number that the reference says.
inline bool equal_values(const Tensor& actual, const std::vector<double>& expected) {
  const std::vector<double> values = to_double(actual);
  if (values.size() != expected.size()) return false;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!(values[i] == expected[i])) {
      MESSAGE("element " << i << " of " << to_string(actual.shape()) << ": " << values[i]
                         << ", expected " << expected[i]);
      return false;
    }
  }
  return true;
}

/// Runs `body` in several orders of the threads of the device under test, and expects tensors of
/// equal bytes.
template <typename Body>
void require_equal_in_any_order(const Body& body) {
  require_equal_in_any_order(test_device, body);
}

}  // namespace ember
