#pragma once

#include "kernels/pending.h"
#include "kernels/window.h"
#include "tensor/tensor.h"

/// Maximum over windows of size x size with stride `size`, without padding; what does not fill a
/// window is dropped.
///
///     y[n, oh, ow, c] = max over (kh, kw) of x[n, oh*size + kh, ow*size + kw, c]
///
/// x (N, H, W, C), y and choice (N, H/size, W/size, C). The gradient goes to the first maximum in
/// row order, which `choice` names as kh*size + kw; it fits a byte, so size is at most 16.
///
/// A convolution that only a pooling reads does it in its epilogue, and takes the gradient of y
/// with the choice pending: neither its own output nor that one's gradient is ever in memory.
namespace ember {

Shape max_pool2d_output_shape(const Shape& x, int size);

void max_pool2d_forward(const Tensor& x, const Pending& pending, int size, Tensor& y,
                        ByteTensor& choice);

/// dx = pending(dy), whose choice forward has made: the gradient of the transformed input. Every
/// element of dx is written.
void max_pool2d_backward(const Tensor& dy, const PendingGradient& pending, Tensor& dx);

namespace cpu {
void max_pool2d_forward(const Tensor& x, const Pending& pending, int size, Tensor& y,
                        ByteTensor& choice);
void max_pool2d_backward(const Tensor& dy, const PendingGradient& pending, Tensor& dx);
}  // namespace cpu

namespace cuda {
void max_pool2d_forward(const Tensor& x, const Pending& pending, int size, Tensor& y,
                        ByteTensor& choice);
void max_pool2d_backward(const Tensor& dy, const PendingGradient& pending, Tensor& dx);
}  // namespace cuda

}  // namespace ember
