#pragma once

#include <cstdint>

#include "kernels/batch_norm.h"

namespace ember::cpu {

/// What a kernel needs of a BatchNorm to gather its sums over the gradient that it writes
/// (gradient_sums-inl.h).
struct GradientSums {
  const float* raw = nullptr;
  Pending forward;
  const float* mean = nullptr;
  int64_t channels = 0;

  /// Nothing is gathered where `norm` is null.
  explicit GradientSums(const BatchNormBackward* norm) {
    if (norm == nullptr) return;
    raw = norm->raw.data();
    forward = norm->forward;
    mean = norm->moments.mean.data();
    channels = norm->raw.dim(-1);
  }
  /// The sums of one block: of du, then of du * (raw - mean).
  int64_t floats() const { return 2 * channels; }
};

/// Sets the results of `norm` from the sums of all blocks, `stride` floats from one to the next,
/// merged in double in the order of the blocks.
void finish_batch_norm_backward(const float* sums, int64_t blocks, int64_t stride,
                                BatchNormBackward& norm);

}  // namespace ember::cpu
