#pragma once

#include "kernels/batch_norm.h"
#include "kernels/pending.h"
#include "tensor/tensor.h"

namespace ember {

/// What a convolution does with each part of its output while that is at hand:
///
///     y = pending(conv(x) + bias) + residual
///
/// Where the layers behind a convolution are known beforehand, as BatchNorm with moving statistics
/// is, nothing is left pending on y.
struct Epilogue {
  Pending pending{};
  Tensor residual{};           ///< of y's shape and in other memory, or empty
  Moments* moments = nullptr;  ///< where the mean and biased variance of y's channels go, or null
  /// In place of `moments`: the BatchNorm that wants them, which is folded at once; or null.
  BatchNormFold* fold = nullptr;

  Moments* gathered() const { return fold != nullptr ? &fold->moments : moments; }
};

/// Throws, in the name of `operation`, unless `epilogue` fits y.
void require_fits(const char* operation, const Tensor& y, const Epilogue& epilogue);

/// The epilogue as passes of their own over y = conv(x) + bias, for convolutions that have none.
void apply_epilogue(const Epilogue& epilogue, Tensor& y);

}  // namespace ember
