#pragma once

#include "kernels/pending.h"
#include "tensor/tensor.h"

/// A fully connected layer: y = x * weight^T + bias, with x (N, I), weight (O, I), bias (O) or
/// empty, y (N, O). Backward needs x and weight.
namespace ember {

/// y = pending(x) * weight^T + bias.
void dense_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                   const Tensor& bias, Tensor& y);

/// dx = dy * weight, with dy = pending(dz); the gradient of the transformed input.
void dense_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                 Tensor& dx);

/// dweight = dy^T * x_pending(x), dbias = column sums of dy, with dy = dz_pending(dz). An empty
/// dbias is left out.
void dense_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                 const PendingGradient& dz_pending, Tensor& dweight, Tensor& dbias);

namespace cpu {
void dense_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                   const Tensor& bias, Tensor& y);
void dense_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                 Tensor& dx);
void dense_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                 const PendingGradient& dz_pending, Tensor& dweight, Tensor& dbias);
}  // namespace cpu

namespace cuda {
void dense_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                   const Tensor& bias, Tensor& y);
void dense_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                 Tensor& dx);
void dense_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                 const PendingGradient& dz_pending, Tensor& dweight, Tensor& dbias);
}  // namespace cuda

}  // namespace ember
