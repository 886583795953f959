#pragma once

#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "kernels/pending.h"
#include "tensor/tensor.h"

/// What the kernels' benchmarks share. Rates count each tensor's bytes once, as if whatever is read
/// or written crossed the memory bus a single time. Outputs begin as zeros, so that no page is
/// touched for the first time while the clock runs.
namespace ember {

/// Values between -1 and 1, in no order that a kernel could profit from.
inline Tensor bench_tensor(Shape shape) {
  Tensor tensor(shape);
  uint32_t state = 1;
  for (float& value : tensor.values()) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
  }
  return tensor;
}

/// An activation behind BatchNorm and ReLU6, as most of MobileNetV2's are, with its gradient's
/// coefficients.
struct BenchActivation {
  Tensor raw, scale, shift, b, c;

  explicit BenchActivation(Shape shape)
      : raw(bench_tensor(shape)),
        scale(Tensor::filled({shape[-1]}, 3.0f)),
        shift(Tensor::filled({shape[-1]}, 1.0f)),
        b(Tensor::filled({shape[-1]}, 1e-3f)),
        c(Tensor::filled({shape[-1]}, 1e-3f)) {}
  Pending pending() const { return {scale.data(), shift.data(), 0.0f, 6.0f}; }
  PendingGradient gradient() const {
    return {raw.data(), pending(), scale.data(), b.data(), c.data()};
  }
};

/// Rate of a benchmark that moves `floats` float32 values in each iteration.
inline void set_floats_moved(benchmark::State& state, int64_t floats) {
  state.SetBytesProcessed(state.iterations() * floats * static_cast<int64_t>(sizeof(float)));
}

/// Rate of a benchmark that takes `products` multiply-adds in each iteration, as two operations
/// each.
inline void set_products(benchmark::State& state, int64_t products) {
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * static_cast<double>(products),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace ember
