#pragma once

#include "kernels/pending.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

/// Inverted dropout: an element is kept with probability 1 - rate and then divided by it. Element i
/// is kept where generator.uniform(i) >= rate, so backward draws the same mask again instead of
/// storing it.
namespace ember {

void dropout_forward(const Tensor& x, const Pending& pending, float rate, const Philox& generator,
                     Tensor& y);

void dropout_backward(const Tensor& dy, float rate, const Philox& generator, Tensor& dx);

namespace cpu {
void dropout_forward(const Tensor& x, const Pending& pending, float rate, const Philox& generator,
                     Tensor& y);
void dropout_backward(const Tensor& dy, float rate, const Philox& generator, Tensor& dx);
}  // namespace cpu

namespace cuda {
void dropout_forward(const Tensor& x, const Pending& pending, float rate, const Philox& generator,
                     Tensor& y);
void dropout_backward(const Tensor& dy, float rate, const Philox& generator, Tensor& dx);
}  // namespace cuda

}  // namespace ember
