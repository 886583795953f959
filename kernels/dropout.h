#pragma once

#include "kernels/pending.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

/// Inverted dropout: an element is kept with probability 1 - rate and then divided by it. Backward
/// draws the same mask again instead of storing it.
namespace ember {

/// Which elements are kept: those with generator().uniform(i) >= rate.
struct DropoutMask {
  float rate = 0.0f;     ///< in [0, 1)
  uint64_t seed = 0;     ///< of the run
  uint64_t step = 0;     ///< of the run, below 2^56
  uint64_t ordinal = 0;  ///< of the layer among the model's dropout layers, below 2^8

  constexpr Philox generator() const { return {seed, Purpose::dropout, step << 8 | ordinal}; }
};

void dropout_forward(const Tensor& x, const Pending& pending, const DropoutMask& mask, Tensor& y);

void dropout_backward(const Tensor& dy, const DropoutMask& mask, Tensor& dx);

namespace cpu {
void dropout_forward(const Tensor& x, const Pending& pending, const DropoutMask& mask, Tensor& y);
void dropout_backward(const Tensor& dy, const DropoutMask& mask, Tensor& dx);
}  // namespace cpu

namespace cuda {
void dropout_forward(const Tensor& x, const Pending& pending, const DropoutMask& mask, Tensor& y);
void dropout_backward(const Tensor& dy, const DropoutMask& mask, Tensor& dx);

/// The step of the masks in the graphs that are replayed from now on by the calling thread.
void set_replayed_dropout_step(uint64_t step);
}  // namespace cuda

}  // namespace ember
