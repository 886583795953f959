#pragma once

#include "kernels/batch_norm.h"
#include "kernels/pending.h"
#include "tensor/tensor.h"

namespace ember {

/// A max pooling in the epilogue of a convolution (max_pool2d.h); none by default.
struct Pooling {
  int size = 1;
  ByteTensor choice{};  ///< result, of y's shape

  bool pools() const { return size > 1; }
};

/// What a convolution does with each part of its output while that is at hand:
///
///     y = pending(conv(x) + bias) + residual
///
/// Where the layers behind a convolution are known beforehand, as BatchNorm with moving statistics
/// is, nothing is left pending on y. With pooling, y is what that leaves of pending(conv(x) +
/// bias), and there is neither residual nor moments.
struct Epilogue {
  Pending pending{};
  Tensor residual{};           ///< of y's shape and in other memory, or empty
  Moments* moments = nullptr;  ///< where the mean and biased variance of y's channels go, or null
  /// In place of `moments`: the BatchNorm that wants them, which is folded at once; or null.
  BatchNormFold* fold = nullptr;
  Pooling pooling{};

  Moments* gathered() const { return fold != nullptr ? &fold->moments : moments; }
};

/// Throws, in the name of `operation`, unless `epilogue` fits y.
void require_fits(const char* operation, const Tensor& y, const Epilogue& epilogue);

/// The epilogue as passes of their own over y = conv(x) + bias, for convolutions that have none.
void apply_epilogue(const Epilogue& epilogue, Tensor& y);

}  // namespace ember
