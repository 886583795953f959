#include "kernels/softmax_cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "tensor/dispatch.h"

namespace ember {
namespace {

/// Writes the softmax of one row and returns log(sum over k of exp(logits[k])).
double softmax_row(const float* logits, int64_t classes, float* probabilities) {
  const double largest = *std::max_element(logits, logits + classes);
  double sum = 0;
  for (int64_t k = 0; k < classes; ++k) sum += std::exp(logits[k] - largest);
  for (int64_t k = 0; k < classes; ++k) {
    probabilities[k] = static_cast<float>(std::exp(logits[k] - largest) / sum);
  }
  return largest + std::log(sum);
}

}  // namespace

namespace cpu {

void softmax(const Tensor& logits, Tensor& probabilities) {
  const int64_t classes = logits.dim(1);
  for (int64_t n = 0; n < logits.dim(0); ++n) {
    softmax_row(logits.data() + n * classes, classes, probabilities.data() + n * classes);
  }
}

void softmax_cross_entropy_forward(const Tensor& logits, const LabelTensor& labels,
                                   Tensor& probabilities, Tensor& losses) {
  const int64_t classes = logits.dim(1);
  for (int64_t n = 0; n < logits.dim(0); ++n) {
    const float* row = logits.data() + n * classes;
    const double log_sum = softmax_row(row, classes, probabilities.data() + n * classes);
    losses.data()[n] = static_cast<float>(log_sum - row[labels.data()[n]]);
  }
}

void softmax_cross_entropy_backward(const Tensor& probabilities, const LabelTensor& labels,
                                    Tensor& dlogits) {
  const int64_t rows = probabilities.dim(0);
  const int64_t classes = probabilities.dim(1);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t k = 0; k < classes; ++k) {
      const double target = k == labels.data()[n] ? 1.0 : 0.0;
      dlogits.data()[n * classes + k] = static_cast<float>(
          (probabilities.data()[n * classes + k] - target) / static_cast<double>(rows));
    }
  }
}

}  // namespace cpu

namespace {

void require_rows_of_classes(const char* operation, const char* argument, const Tensor& tensor) {
  EMBER_REQUIRE(tensor.rank() == 2 && tensor.shape().size() > 0,
                "{}: {} {} wants (N, K), not empty", operation, argument,
                to_string(tensor.shape()));
}

void require_shape(const char* operation, const char* argument, const Shape& shape,
                   const char* other, const Shape& expected) {
  EMBER_REQUIRE(shape == expected, "{}: {} {}, but {} want {}", operation, argument,
                to_string(shape), other, to_string(expected));
}

/// Labels on a device are checked where they are made: here only those of the CPU can be read.
void require_labels(const char* operation, const LabelTensor& labels, int64_t rows,
                    int64_t classes) {
  require_shape(operation, "labels", labels.shape(), "the rows", {rows});
  if (labels.device() != Device::cpu) return;
  for (int64_t n = 0; n < rows; ++n) {
    const int32_t label = labels.data()[n];
    EMBER_REQUIRE(label >= 0 && label < classes,
                  "{}: label {} of row {} is not one of the {} classes", operation, label, n,
                  classes);
  }
}

}  // namespace

void softmax(const Tensor& logits, Tensor& probabilities) {
  require_rows_of_classes("softmax", "logits", logits);
  require_shape("softmax", "probabilities", probabilities.shape(), "logits", logits.shape());
  EMBER_DISPATCH(logits.device(), softmax, logits, probabilities);
}

void softmax_cross_entropy_forward(const Tensor& logits, const LabelTensor& labels,
                                   Tensor& probabilities, Tensor& losses) {
  const char* operation = "softmax_cross_entropy_forward";
  require_rows_of_classes(operation, "logits", logits);
  require_labels(operation, labels, logits.dim(0), logits.dim(1));
  require_shape(operation, "probabilities", probabilities.shape(), "logits", logits.shape());
  require_shape(operation, "losses", losses.shape(), "the rows", {logits.dim(0)});
  EMBER_DISPATCH(logits.device(), softmax_cross_entropy_forward, logits, labels, probabilities,
                 losses);
}

void softmax_cross_entropy_backward(const Tensor& probabilities, const LabelTensor& labels,
                                    Tensor& dlogits) {
  const char* operation = "softmax_cross_entropy_backward";
  require_rows_of_classes(operation, "probabilities", probabilities);
  require_labels(operation, labels, probabilities.dim(0), probabilities.dim(1));
  require_shape(operation, "dlogits", dlogits.shape(), "probabilities", probabilities.shape());
  EMBER_DISPATCH(probabilities.device(), softmax_cross_entropy_backward, probabilities, labels,
                 dlogits);
}

}  // namespace ember
