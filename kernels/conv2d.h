#pragma once

#include "kernels/batch_norm.h"
#include "kernels/epilogue.h"
#include "kernels/pending.h"
#include "kernels/window.h"
#include "tensor/tensor.h"

/// Two-dimensional convolution (cross-correlation, as in every deep learning framework).
///
///     y[n, oh, ow, o] = bias[o] + sum over (kh, kw, i) of x[n, h, w, i] * weight[o, kh, kw, i]
///     with h = oh*stride_h + kh - top and w = ow*stride_w + kw - left
///
/// x (N, H, W, I), weight (O, KH, KW, I), bias (O) or empty, y (N, OH, OW, O); x outside the image
/// is 0, after its pending transform, not before. Backward needs x, weight and the gradient; never
/// y, unless the gradient is pending on it. A 1x1 convolution with stride 1 is the matrix product
/// of (N*H*W, I) with the weights.
namespace ember {

/// The shape of y. Throws when channels differ or the image is smaller than the kernel.
Shape conv2d_output_shape(const Shape& x, const Shape& weight, const Window& window);

/// y = conv(pending(x), weight) + bias, and its epilogue. On the CPU, `packed` may hold what
/// conv2d_pack makes of the weights.
void conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                    const Tensor& bias, const Window& window, Tensor& y, const Epilogue& epilogue,
                    const Tensor& packed = {});

/// Writes the weights in the order in which the CPU's kernels read them, scaled as `epilogue` says:
/// once for many calls of conv2d_forward, each of which would do it anew.
void conv2d_pack(const Tensor& weight, const Window& window, const Epilogue& epilogue,
                 Tensor& packed);
/// The floats of `packed`.
int64_t conv2d_packed_size(const Shape& weight, const Window& window, const Pooling& pooling);

/// dx = gradient of the *transformed* input, from dy = pending(dz); added to dx's content when
/// `accumulate`. With `norm`, a BatchNorm whose gradient dx is, also what that makes of dx.
void conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                  const Window& window, bool accumulate, Tensor& dx, BatchNormBackward* norm);

/// dweight (and dbias, unless it is empty) from the transformed input and dy = dz_pending(dz).
/// Overwrites both.
void conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                  const PendingGradient& dz_pending, const Window& window, Tensor& dweight,
                  Tensor& dbias);

/// conv2d_wgrad and conv2d_dgrad, which may share their way over x and dz.
void conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                     const PendingGradient& dz_pending, const Tensor& weight, const Window& window,
                     Tensor& dweight, Tensor& dbias, bool accumulate, Tensor& dx,
                     BatchNormBackward* norm);

namespace cpu {
void conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                    const Tensor& bias, const Window& window, Tensor& y, const Epilogue& epilogue,
                    const Tensor& packed = {});
int64_t conv2d_packed_size(const Shape& weight, const Window& window, const Pooling& pooling);
void conv2d_pack(const Tensor& weight, const Window& window, const Epilogue& epilogue,
                 Tensor& packed);
void conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                  const Window& window, bool accumulate, Tensor& dx, BatchNormBackward* norm);
void conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                  const PendingGradient& dz_pending, const Window& window, Tensor& dweight,
                  Tensor& dbias);
void conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                     const PendingGradient& dz_pending, const Tensor& weight, const Window& window,
                     Tensor& dweight, Tensor& dbias, bool accumulate, Tensor& dx,
                     BatchNormBackward* norm);
}  // namespace cpu

namespace cuda {
void conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                    const Tensor& bias, const Window& window, Tensor& y, const Epilogue& epilogue);
void conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                  const Window& window, bool accumulate, Tensor& dx, BatchNormBackward* norm);
void conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                  const PendingGradient& dz_pending, const Window& window, Tensor& dweight,
                  Tensor& dbias);
void conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                     const PendingGradient& dz_pending, const Tensor& weight, const Window& window,
                     Tensor& dweight, Tensor& dbias, bool accumulate, Tensor& dx,
                     BatchNormBackward* norm);
}  // namespace cuda

}  // namespace ember
