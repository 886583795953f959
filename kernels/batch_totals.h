#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace ember {

/// What a batch adds to an epoch's loss and accuracy.
struct BatchTotals {
  double loss = 0;      ///< summed over the rows
  int64_t correct = 0;  ///< rows whose most probable class, the first of equals, is their label
};

/// totals[0] of probabilities (N, K), losses (N) and labels (N).
void batch_totals(const Tensor& probabilities, const Tensor& losses, const LabelTensor& labels,
                  TensorOf<BatchTotals>& totals);

namespace cpu {
void batch_totals(const Tensor& probabilities, const Tensor& losses, const LabelTensor& labels,
                  TensorOf<BatchTotals>& totals);
}  // namespace cpu

namespace cuda {
void batch_totals(const Tensor& probabilities, const Tensor& losses, const LabelTensor& labels,
                  TensorOf<BatchTotals>& totals);
}  // namespace cuda

}  // namespace ember
