#include "kernels/batch_totals.h"

#include <doctest/doctest.h>

#include "tests/kernels/testing.h"

namespace ember {
namespace {

BatchTotals totals_of(const Tensor& probabilities, const Tensor& losses,
                      const LabelTensor& labels) {
  TensorOf<BatchTotals> totals({1}, test_device);
  batch_totals(probabilities, losses, on_device(labels), totals);
  return totals.to(Device::cpu).data()[0];
}

}  // namespace

TEST_CASE("batch_totals sums losses and counts the rows whose label is most probable") {
  for_each_device([] {
    for (int64_t rows : {0, 1, 3, 32, 33, 100}) {
      for (int64_t classes : {1, 3, 19}) {
        CAPTURE(rows);
        CAPTURE(classes);
        // Whole numbers, so that classes tie and sums are exact.
        const Tensor probabilities = random_integers({rows, classes}, 0, 3, 1);
        const Tensor losses = random_integers({rows}, 0, 100, 2);
        LabelTensor labels({rows});
        BatchTotals expected;
        const auto p = to_double(probabilities);
        for (int64_t n = 0; n < rows; ++n) {
          int64_t best = 0;
          for (int64_t k = 1; k < classes; ++k) {
            const auto row = static_cast<size_t>(n * classes);
            if (p[row + static_cast<size_t>(k)] > p[row + static_cast<size_t>(best)]) best = k;
          }
          labels.data()[n] = static_cast<int32_t>(n % 2 == 0 ? best : (best + 1) % classes);
          expected.correct += labels.data()[n] == best;
          expected.loss += to_double(losses)[static_cast<size_t>(n)];
        }
        const BatchTotals totals = totals_of(probabilities, losses, labels);
        CHECK(totals.correct == expected.correct);
        CHECK(totals.loss == expected.loss);
      }
    }
  });
}

TEST_CASE("batch_totals lets a loss that is not a number show") {
  for_each_device([] {
    Tensor host = Tensor::filled({40}, 1.0f);
    host.data()[37] = std::numeric_limits<float>::quiet_NaN();
    const Tensor probabilities = filled({40, 3}, 0.5f);
    CHECK(std::isnan(totals_of(probabilities, on_device(host), LabelTensor::zeros({40})).loss));
  });
}

TEST_CASE("batch_totals names what does not fit") {
  TensorOf<BatchTotals> totals({1});
  CHECK_THROWS_WITH_AS(
      batch_totals(Tensor::zeros({2, 3}), Tensor::zeros({2}), LabelTensor::zeros({3}), totals),
      doctest::Contains("probabilities (2, 3), losses (2), labels (3)"), Error);
}

}  // namespace ember
