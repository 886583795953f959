#include "kernels/softmax_cross_entropy.h"

#include <doctest/doctest.h>

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
  for_each_device([] {
    for (int64_t classes : {1, 2, 3, 19, 100}) {
      CAPTURE(classes);
      const Tensor logits = random_uniform({kRows, classes}, -4, 4, 1);
      LabelTensor label_of({kRows});
      for (int64_t n = 0; n < kRows; ++n) {
        label_of.data()[n] = static_cast<int32_t>(n * 7 % classes);
      }
      const LabelTensor labels = on_device(label_of);
      Tensor probabilities = poisoned(logits.shape());
      Tensor losses = poisoned({kRows});
      softmax_cross_entropy_forward(logits, labels, probabilities, losses);
      Tensor dlogits = poisoned(logits.shape());
      softmax_cross_entropy_backward(probabilities, labels, dlogits);
      Tensor alone = poisoned(logits.shape());
      softmax(logits, alone);
      CHECK(equal_bytes(alone, probabilities));

      const auto all_logits = to_double(logits);
      const auto loss_of = to_double(losses);
      const auto p_of = to_double(probabilities);
      const auto slope_of = to_double(dlogits);
      for (int64_t n = 0; n < kRows; ++n) {
        const auto first = all_logits.begin() + n * classes;
        std::vector<double> row(first, first + classes);
        const int32_t label = label_of.data()[n];
        CHECK(loss_of[static_cast<size_t>(n)] ==
              doctest::Approx(reference_loss(row, label)).epsilon(1e-6));
        for (int32_t k = 0; k < classes; ++k) {
          const auto at = static_cast<size_t>(n * classes + k);
          const double p = std::exp(-reference_loss(row, k));
          REQUIRE(p_of[at] == doctest::Approx(p).epsilon(1e-6));
          double& logit = row[static_cast<size_t>(k)];
          const double middle = logit;
          logit = middle + 1e-4;
          const double above = reference_loss(row, label);
          logit = middle - 1e-4;
          const double below = reference_loss(row, label);
          logit = middle;
          REQUIRE(std::abs(slope_of[at] - (above - below) / 2e-4 / kRows) < 1e-7);
        }
      }
    }
  });
}

TEST_CASE("the loss stays finite where the probability underflows or exp would overflow") {
  const float values[] = {1000, 0, -1000, 500, 500, 500};
  const int32_t classes[] = {2, 1};
  for_each_device([&] {
    const Tensor logits = on_device(Tensor::from({2, 3}, values));
    const LabelTensor labels = on_device(LabelTensor::from({2}, classes));
    Tensor probabilities = poisoned({2, 3});
    Tensor losses = poisoned({2});
    softmax_cross_entropy_forward(logits, labels, probabilities, losses);
    const auto loss = to_double(losses);
    CHECK(loss[0] == 2000);
    CHECK(loss[1] == doctest::Approx(std::log(3.0)).epsilon(1e-6));
    const auto p = to_double(probabilities);
    CHECK(p[0] == 1);
    CHECK(p[2] == 0);
  });
}

TEST_CASE("the loss of a label that is no class is not a number where nobody has looked at it") {
  for_each_device([] {
    if (test_device == Device::cpu) return;
    const int32_t classes[] = {0, -1, 3, 2};
    const Tensor logits = random_uniform({4, 3}, -1, 1, 1);
    Tensor probabilities = poisoned({4, 3});
    Tensor losses = poisoned({4});
    softmax_cross_entropy_forward(logits, on_device(LabelTensor::from({4}, classes)), probabilities,
                                  losses);
    const auto loss = to_double(losses);
    for (size_t n = 0; n < 4; ++n) CHECK(std::isnan(loss[n]) == (n == 1 || n == 2));
  });
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
