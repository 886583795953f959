#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace ember::cuda {

/// Division by a number that the host knows, as a product and a shift: Granlund and Montgomery,
/// "Division by invariant integers using multiplication" (1994), figure 4.1, for dividends below
/// 2^31.
class Divider {
 public:
  /// 1 <= divisor < 2^31
  explicit Divider(int64_t divisor) : divisor_(static_cast<int>(divisor)) {
    while (int64_t{1} << shift_ < divisor) ++shift_;
    multiplier_ = static_cast<uint32_t>(
        (uint64_t{1} << 32) * ((uint64_t{1} << shift_) - static_cast<uint64_t>(divisor)) /
            static_cast<uint64_t>(divisor) +
        1);
  }

  __host__ __device__ int divisor() const { return divisor_; }
  __device__ int quotient(int dividend) const {
    const auto n = static_cast<uint32_t>(dividend);
    const auto high = static_cast<uint32_t>((uint64_t{n} * multiplier_) >> 32);
    return static_cast<int>((high + n) >> shift_);
  }

 private:
  int divisor_;
  unsigned shift_ = 0;
  uint32_t multiplier_;
};

}  // namespace ember::cuda
