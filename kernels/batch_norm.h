#pragma once

#include "kernels/pending.h"
#include "tensor/tensor.h"

/// Batch normalisation (Ioffe & Szegedy 2015) over all dimensions but the last, as Keras computes
/// it:
///
///     u = gamma * (x - mean) / sqrt(variance + epsilon) + beta
///
/// with the batch's mean and biased variance in training, the moving ones in inference. It is never
/// a pass over the activation: the moments come from the epilogue of the convolution before it (or
/// from `channel_moments`), and `batch_norm_fold` turns them into the scale and shift of a Pending
/// that the next operation applies as it loads.
///
/// Backward, with du = dz * [clip lets pass], xhat = (raw - mean) / sqrt(variance + epsilon), M
/// elements a channel:
///
///     dbeta = sum(du)      dgamma = sum(du * xhat)
///     dx = gamma / sqrt(variance + epsilon) * (du - dbeta / M - xhat * dgamma / M)      (batch
///     statistics) dx = gamma / sqrt(variance + epsilon) * du (moving statistics)
///
/// which `batch_norm_backward_coefficients` writes as the a, b, c of a PendingGradient.
/// All per-channel tensors have shape (C).
namespace ember {

/// Statistics of each channel.
struct Moments {
  Tensor mean;
  Tensor variance;  ///< biased: divided by the number of elements
};

/// Mean and biased variance of each channel of x (.., C). Partial results are (count, mean, M2) of
/// fixed blocks of rows, merged in fixed order, so neither a large mean nor the number of threads
/// changes the result.
void channel_moments(const Tensor& x, Moments& moments);

/// scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale.
void batch_norm_fold(const Tensor& gamma, const Tensor& beta, const Moments& moments, float epsilon,
                     Tensor& scale, Tensor& shift);

/// moving = momentum * moving + (1 - momentum) * batch, for mean and variance.
void batch_norm_update_moving(const Moments& batch, float momentum, Moments& moving);

/// dgamma and dbeta from dz (the gradient behind the clip), the raw input and its forward
/// transform.
void batch_norm_backward_sums(const Tensor& dz, const Tensor& raw, const Pending& forward,
                              const Moments& moments, float epsilon, Tensor& dgamma, Tensor& dbeta);

/// The a, b, c of dx = a*du + b*raw + c for batch statistics over `count` elements a channel.
void batch_norm_backward_coefficients(const Tensor& gamma, const Moments& moments, float epsilon,
                                      const Tensor& dgamma, const Tensor& dbeta, int64_t count,
                                      Tensor& a, Tensor& b, Tensor& c);

namespace cpu {
void channel_moments(const Tensor& x, Moments& moments);
void batch_norm_fold(const Tensor& gamma, const Tensor& beta, const Moments& moments, float epsilon,
                     Tensor& scale, Tensor& shift);
void batch_norm_update_moving(const Moments& batch, float momentum, Moments& moving);
void batch_norm_backward_sums(const Tensor& dz, const Tensor& raw, const Pending& forward,
                              const Moments& moments, float epsilon, Tensor& dgamma, Tensor& dbeta);
void batch_norm_backward_coefficients(const Tensor& gamma, const Moments& moments, float epsilon,
                                      const Tensor& dgamma, const Tensor& dbeta, int64_t count,
                                      Tensor& a, Tensor& b, Tensor& c);
}  // namespace cpu

namespace cuda {
void channel_moments(const Tensor& x, Moments& moments);
void batch_norm_fold(const Tensor& gamma, const Tensor& beta, const Moments& moments, float epsilon,
                     Tensor& scale, Tensor& shift);
void batch_norm_update_moving(const Moments& batch, float momentum, Moments& moving);
void batch_norm_backward_sums(const Tensor& dz, const Tensor& raw, const Pending& forward,
                              const Moments& moments, float epsilon, Tensor& dgamma, Tensor& dbeta);
void batch_norm_backward_coefficients(const Tensor& gamma, const Moments& moments, float epsilon,
                                      const Tensor& dgamma, const Tensor& dbeta, int64_t count,
                                      Tensor& a, Tensor& b, Tensor& c);
}  // namespace cuda

}  // namespace ember
