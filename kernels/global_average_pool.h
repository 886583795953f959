#pragma once

#include "kernels/pending.h"
#include "tensor/tensor.h"

/// The mean of each channel over the image: x (N, H, W, C), y (N, C).
namespace ember {

void global_average_pool_forward(const Tensor& x, const Pending& pending, Tensor& y);

/// dx = dy / (H*W) everywhere: the gradient of the transformed input.
void global_average_pool_backward(const Tensor& dy, Tensor& dx);

namespace cpu {
void global_average_pool_forward(const Tensor& x, const Pending& pending, Tensor& y);
void global_average_pool_backward(const Tensor& dy, Tensor& dx);
}  // namespace cpu

namespace cuda {
void global_average_pool_forward(const Tensor& x, const Pending& pending, Tensor& y);
void global_average_pool_backward(const Tensor& dy, Tensor& dx);
}  // namespace cuda

}  // namespace ember
