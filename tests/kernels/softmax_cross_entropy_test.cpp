#include "kernels/softmax_cross_entropy.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/kernels/testing.h"

namespace ember {
namespace {

/// -log softmax(logits)[label] of one row.
double reference_loss(const std::vector<double>& logits, int32_t label) {
  double sum = 0;
  for (double logit : logits) sum += std::exp(logit);
  return std::log(sum) - logits[static_cast<size_t>(label)];
}

}  // namespace

TEST_CASE("softmax_cross_entropy equals its formula, and its gradient central differences") {
  constexpr int64_t kRows = 5;
  for (int64_t classes : {1, 2, 3, 19}) {
    CAPTURE(classes);
    const Tensor logits = random_uniform({kRows, classes}, -4, 4, 1);
    LabelTensor labels({kRows});
    for (int64_t n = 0; n < kRows; ++n) labels.data()[n] = static_cast<int32_t>(n * 7 % classes);
    Tensor probabilities = poisoned(logits.shape());
    Tensor losses = poisoned({kRows});
    softmax_cross_entropy_forward(logits, labels, probabilities, losses);
    Tensor dlogits = poisoned(logits.shape());
    softmax_cross_entropy_backward(probabilities, labels, dlogits);
    Tensor alone = poisoned(logits.shape());
    softmax(logits, alone);
    CHECK(equal_bytes(alone, probabilities));

    for (int64_t n = 0; n < kRows; ++n) {
      std::vector<double> row(logits.data() + n * classes, logits.data() + (n + 1) * classes);
      const int32_t label = labels.data()[n];
      CHECK(losses.data()[n] == doctest::Approx(reference_loss(row, label)).epsilon(1e-6));
      for (int32_t k = 0; k < classes; ++k) {
        const double p = std::exp(-reference_loss(row, k));
        REQUIRE(probabilities.data()[n * classes + k] == doctest::Approx(p).epsilon(1e-6));
        double& logit = row[static_cast<size_t>(k)];
        const double middle = logit;
        logit = middle + 1e-4;
        const double above = reference_loss(row, label);
        logit = middle - 1e-4;
        const double below = reference_loss(row, label);
        logit = middle;
        REQUIRE(std::abs(dlogits.data()[n * classes + k] - (above - below) / 2e-4 / kRows) < 1e-7);
      }
    }
  }
}

TEST_CASE("the loss stays finite where the probability underflows or exp would overflow") {
  const float values[] = {1000, 0, -1000, 500, 500, 500};
  const int32_t classes[] = {2, 1};
  const Tensor logits = Tensor::from({2, 3}, values);
  const LabelTensor labels = LabelTensor::from({2}, classes);
  Tensor probabilities = poisoned({2, 3});
  Tensor losses = poisoned({2});
  softmax_cross_entropy_forward(logits, labels, probabilities, losses);
  CHECK(losses.data()[0] == 2000.0f);
  CHECK(losses.data()[1] == doctest::Approx(std::log(3.0)).epsilon(1e-6));
  CHECK(probabilities.data()[0] == 1.0f);
  CHECK(probabilities.data()[2] == 0.0f);
}

TEST_CASE("softmax_cross_entropy names what does not fit") {
  const Tensor logits = Tensor::zeros({2, 3});
  Tensor probabilities = Tensor::zeros({2, 3});
  Tensor losses = Tensor::zeros({2});
  const int32_t wrong[] = {0, 3};
  const LabelTensor labels = LabelTensor::from({2}, wrong);
  CHECK_THROWS_WITH_AS(
      softmax_cross_entropy_forward(logits, labels, probabilities, losses),
      doctest::Contains("softmax_cross_entropy_forward: label 3 of row 1 is not one of the 3"),
      Error);
  CHECK_THROWS_WITH_AS(
      softmax_cross_entropy_backward(probabilities, LabelTensor::filled({2}, -1), probabilities),
      doctest::Contains("label -1 of row 0"), Error);
  Tensor short_losses = Tensor::zeros({1});
  CHECK_THROWS_WITH_AS(
      softmax_cross_entropy_forward(logits, LabelTensor::zeros({2}), probabilities, short_losses),
      doctest::Contains("losses (1), but the rows want (2)"), Error);
  CHECK_THROWS_WITH_AS(softmax(logits, losses),
                       doctest::Contains("softmax: probabilities (2), but logits want (2, 3)"),
                       Error);
}

}  // namespace ember
