#pragma once

#include "kernels/pending.h"
#include "tensor/tensor.h"

/// The sum of two activations, as residual connections need it. Its gradient is dy, for both.
namespace ember {

/// y = a_pending(a) + b_pending(b); shapes equal, y may be a or b.
void add(const Tensor& a, const Pending& a_pending, const Tensor& b, const Pending& b_pending,
         Tensor& y);

namespace cpu {
void add(const Tensor& a, const Pending& a_pending, const Tensor& b, const Pending& b_pending,
         Tensor& y);
}  // namespace cpu

namespace cuda {
void add(const Tensor& a, const Pending& a_pending, const Tensor& b, const Pending& b_pending,
         Tensor& y);
}  // namespace cuda

}  // namespace ember
