#pragma once

#include "kernels/batch_norm.h"
#include "kernels/epilogue.h"
#include "kernels/pending.h"
#include "kernels/window.h"
#include "tensor/tensor.h"

/// Depthwise convolution: every channel has a kernel of its own.
///
///     y[n, oh, ow, c] = sum over (kh, kw) of x[n, h, w, c] * weight[kh, kw, c]
///     with h = oh*stride_h + kh - top and w = ow*stride_w + kw - left
///
/// x (N, H, W, C), weight (KH, KW, C), y (N, OH, OW, C); x outside the image is 0, after its
/// pending transform. Backward needs x, weight and the gradient. 9 multiplications an output: bound
/// by memory, not arithmetic.
namespace ember {

/// The shape of y. Throws when channels differ or the image is smaller than the kernel.
Shape depthwise_conv2d_output_shape(const Shape& x, const Shape& weight, const Window& window);

/// y = conv(pending(x), weight), and its epilogue.
void depthwise_conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                              const Window& window, Tensor& y, const Epilogue& epilogue);

/// A 1x1 convolution before a depthwise one, with weight (C, 1, 1, I) and what is pending on its
/// output: the two halves of MobileNetV2's inverted residual that stand before its projection.
struct Expansion {
  Tensor weight;
  Pending pending{};
  Tensor packed{};  ///< what conv2d_pack makes of it, or empty
};

/// y = conv(pending(x * weight), weight) of `expansion` and of the depthwise convolution, and its
/// epilogue: for x (N, H, W, I), on which nothing is pending. On the CPU the expanded image, six
/// times as wide as x in MobileNetV2, is never in memory but for the rows that the kernel covers.
void expanded_depthwise_conv2d_forward(const Tensor& x, const Expansion& expansion,
                                       const Tensor& weight, const Window& window, Tensor& y,
                                       const Epilogue& epilogue);

/// dx = gradient of the transformed input, from dy = pending(dz). Overwrites dx. With `norm`, a
/// BatchNorm whose gradient dx is, also what that makes of dx.
void depthwise_conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                            const Window& window, Tensor& dx, BatchNormBackward* norm);

/// dweight from the transformed input and dy = dz_pending(dz). Overwrites it.
void depthwise_conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                            const PendingGradient& dz_pending, const Window& window,
                            Tensor& dweight);

/// depthwise_conv2d_wgrad and depthwise_conv2d_dgrad, which may share their way over x and dz.
void depthwise_conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                               const PendingGradient& dz_pending, const Tensor& weight,
                               const Window& window, Tensor& dweight, Tensor& dx,
                               BatchNormBackward* norm);

namespace cpu {
void depthwise_conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                              const Window& window, Tensor& y, const Epilogue& epilogue);
void expanded_depthwise_conv2d_forward(const Tensor& x, const Expansion& expansion,
                                       const Tensor& weight, const Window& window, Tensor& y,
                                       const Epilogue& epilogue);
void depthwise_conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                            const Window& window, Tensor& dx, BatchNormBackward* norm);
void depthwise_conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                            const PendingGradient& dz_pending, const Window& window,
                            Tensor& dweight);
void depthwise_conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                               const PendingGradient& dz_pending, const Tensor& weight,
                               const Window& window, Tensor& dweight, Tensor& dx,
                               BatchNormBackward* norm);
}  // namespace cpu

namespace cuda {
void depthwise_conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                              const Window& window, Tensor& y, const Epilogue& epilogue);
void depthwise_conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                            const Window& window, Tensor& dx, BatchNormBackward* norm);
void depthwise_conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                            const PendingGradient& dz_pending, const Window& window,
                            Tensor& dweight);
void depthwise_conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                               const PendingGradient& dz_pending, const Tensor& weight,
                               const Window& window, Tensor& dweight, Tensor& dx,
                               BatchNormBackward* norm);
}  // namespace cuda

}  // namespace ember
