#pragma once

#include "kernels/window.h"
#include "tensor/tensor.h"

/// The first rung of the ladders that the .cu files open with: kernels as one would write them down
/// from the formula, a thread an output. They are there to learn from and to measure the others
/// against; the layers never call them. Tensors are on the GPU, their shapes as in the operation's
/// own header.
namespace ember::cuda::naive {

/// c (M, N) = a (M, K) * b (K, N).
void matmul(const Tensor& a, const Tensor& b, Tensor& c);

/// y = conv(x, weight) + bias; bias may be empty.
void conv2d_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Window& window,
                    Tensor& y);

/// y = conv(x, weight), each channel with a kernel of its own.
void depthwise_conv2d_forward(const Tensor& x, const Tensor& weight, const Window& window,
                              Tensor& y);

/// y = gamma * (x - mean) / sqrt(variance + epsilon) + beta with the mean and biased variance of x.
void batch_norm_forward(const Tensor& x, const Tensor& gamma, const Tensor& beta, float epsilon,
                        Tensor& y);

}  // namespace ember::cuda::naive
