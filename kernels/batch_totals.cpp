#include "kernels/batch_totals.h"

#include <algorithm>

#include "tensor/dispatch.h"

namespace ember {
namespace cpu {

void batch_totals(const Tensor& probabilities, const Tensor& losses, const LabelTensor& labels,
                  TensorOf<BatchTotals>& totals) {
  const int64_t classes = probabilities.dim(1);
  BatchTotals sum;
  for (int64_t n = 0; n < labels.size(); ++n) {
    const float* p = probabilities.data() + n * classes;
    sum.loss += losses.data()[n];
    sum.correct += std::max_element(p, p + classes) - p == labels.data()[n];
  }
  totals.data()[0] = sum;
}

}  // namespace cpu

void batch_totals(const Tensor& probabilities, const Tensor& losses, const LabelTensor& labels,
                  TensorOf<BatchTotals>& totals) {
  EMBER_REQUIRE(
      probabilities.rank() == 2 && probabilities.dim(1) > 0 &&
          losses.shape() == Shape{probabilities.dim(0)} && labels.shape() == losses.shape(),
      "batch_totals: probabilities {}, losses {}, labels {}", to_string(probabilities.shape()),
      to_string(losses.shape()), to_string(labels.shape()));
  EMBER_REQUIRE(totals.shape() == Shape{1}, "batch_totals: totals {} want (1)",
                to_string(totals.shape()));
  EMBER_DISPATCH(probabilities.device(), batch_totals, probabilities, losses, labels, totals);
}

}  // namespace ember
