#pragma once

#include <span>

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
///     dx = gamma / sqrt(variance + epsilon) * (du - dbeta / M - xhat * dgamma / M)
///
/// with batch statistics; with moving ones
///
///     dx = gamma / sqrt(variance + epsilon) * du
///
/// What batch statistics give travels on as the a, b, c of a PendingGradient.
/// All per-channel tensors have shape (C).
namespace ember {

/// Statistics of each channel.
struct Moments {
  Tensor mean;
  Tensor variance;  ///< biased: divided by the number of elements
};

/// Mean and biased variance of each channel of x (.., C). Partial results, of fixed blocks of rows,
/// are (count, mean, M2), or sums of what is left when a value of the channel is taken away, merged
/// in fixed order: neither a large mean nor the number of threads changes the result.
void channel_moments(const Tensor& x, Moments& moments);

/// What one BatchNorm makes of the moments of its input before that is read:
///
///     scale = gamma / sqrt(variance + epsilon)      shift = beta - mean * scale
///
/// and, in a training step, moving = momentum * moving + (1 - momentum) * moments, for mean and
/// variance.
struct BatchNormFold {
  Tensor gamma;
  Tensor beta;
  Moments moments;
  float epsilon;
  Tensor scale;               ///< result
  Tensor shift;               ///< result
  Moments* moving = nullptr;  ///< result; null for none
  float momentum = 0;
};

/// scale, shift and moving moments of all `folds`.
void batch_norm_fold(std::span<BatchNormFold> folds);

/// Throws, in the name of `operation`, unless the tensors of `fold` fit each other.
void require_fits(const char* operation, const BatchNormFold& fold);

/// The a, b, c of dx = a*du + b*raw + c.
struct BatchNormCoefficients {
  Tensor a, b, c;
};

/// The backward pass of one BatchNorm but for dz, the gradient behind its clip. Whoever writes dz
/// is given this and gathers the sums while dz is at hand; `batch_norm_backward` reads it again.
struct BatchNormBackward {
  Tensor raw;       ///< the input, of dz's shape
  Pending forward;  ///< its transform, with the clip
  Tensor gamma;
  Moments moments;
  float epsilon;
  Tensor dgamma;  ///< result
  Tensor dbeta;   ///< result
  /// Results, or null; they need the batch's moments.
  BatchNormCoefficients* coefficients = nullptr;
};

/// dgamma, dbeta and the coefficients of dx, which `norm` says where to put.
void batch_norm_backward(const Tensor& dz, const BatchNormBackward& norm);

/// Throws, in the name of `operation`, unless all of `norm` fits dz.
void require_fits(const char* operation, const Tensor& dz, const BatchNormBackward& norm);

namespace cpu {
void channel_moments(const Tensor& x, Moments& moments);
void batch_norm_fold(std::span<BatchNormFold> folds);
void batch_norm_backward(const Tensor& dz, const BatchNormBackward& norm);
}  // namespace cpu

namespace cuda {
void channel_moments(const Tensor& x, Moments& moments);
void batch_norm_fold(std::span<BatchNormFold> folds);
void batch_norm_backward(const Tensor& dz, const BatchNormBackward& norm);
}  // namespace cuda

}  // namespace ember
