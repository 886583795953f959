#include "nn/metrics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "nn/calibration.h"
#include "tensor/error.h"
#include "tests/files.h"
#include "tests/golden.h"

namespace ember {
namespace {

ConfusionMatrix confusion_of(const std::vector<std::vector<int64_t>>& counts) {
  ConfusionMatrix confusion(counts.size());
  for (size_t truth = 0; truth < counts.size(); ++truth) {
    for (size_t k = 0; k < counts.size(); ++k) confusion.add(truth, k, counts[truth][k]);
  }
  return confusion;
}

}  // namespace

TEST_CASE("report and metrics equal scikit-learn's") {
  const auto cases = nlohmann::json::parse(content(golden_folder() / "report.json"));
  REQUIRE(cases.size() >= 16);
  for (const auto& item : cases.items()) {
    const nlohmann::json& golden = item.value();
    CAPTURE(item.key());
    const auto names = golden["classes"].get<std::vector<std::string>>();
    const ConfusionMatrix confusion = confusion_of(golden["confusion_matrix"]);
    CHECK(classification_report(confusion, names) == golden["text"].get<std::string>());
    CHECK(accuracy(confusion) == doctest::Approx(golden["accuracy"].get<double>()).epsilon(1e-15));
    CHECK(balanced_accuracy(confusion) ==
          doctest::Approx(golden["balanced_accuracy"].get<double>()).epsilon(1e-15));
    const auto classes = per_class_metrics(confusion);
    for (size_t k = 0; k < names.size(); ++k) {
      const auto& expected = golden["per_class"][k];
      CHECK(classes[k].precision == expected["precision"].get<double>());
      CHECK(classes[k].recall == expected["recall"].get<double>());
      CHECK(classes[k].f1 == expected["f1-score"].get<double>());
      CHECK(static_cast<double>(classes[k].support) == expected["support"].get<double>());
    }
  }
}

TEST_CASE("a confusion matrix counts rows, columns and diagonal") {
  const ConfusionMatrix confusion = confusion_of({{5, 1, 0}, {2, 7, 3}, {0, 4, 9}});
  CHECK(confusion(1, 2) == 3);
  CHECK(confusion.support(1) == 12);
  CHECK(confusion.predictions(1) == 12);
  CHECK(confusion.predictions(0) == 7);
  CHECK(confusion.correct() == 21);
  CHECK(confusion.total() == 31);
}

TEST_CASE("no sample at all gives zeros, not a division") {
  const ConfusionMatrix empty(2);
  CHECK(accuracy(empty) == 0);
  CHECK(balanced_accuracy(empty) == 0);
  CHECK(weighted_average(per_class_metrics(empty)).f1 == 0);
}

TEST_CASE("classes outside the matrix and missing names are refused") {
  ConfusionMatrix confusion(2);
  CHECK_THROWS_AS(confusion.add(2, 0), Error);
  CHECK_THROWS_AS(confusion.add(0, 2), Error);
  const std::vector<std::string> one_name{"only"};
  CHECK_THROWS_AS(classification_report(confusion, one_name), Error);
}

TEST_CASE("Wilson's intervals") {
  // scipy.stats.binomtest(count, total).proportion_ci(0.95, "wilson")
  const auto check = [](int64_t count, int64_t total, double low, double high) {
    const Interval interval = wilson_interval(count, total);
    CHECK(interval.low == doctest::Approx(low).epsilon(1e-12));
    CHECK(interval.high == doctest::Approx(high).epsilon(1e-12));
  };
  check(0, 10, 0, 0.2775327998628892);
  check(10, 10, 0.7224672001371107, 1);
  check(76, 100, 0.6676766365018553, 0.8330867444305122);
  check(3911, 4072, 0.9540294066148779, 0.9660260071904044);
  check(0, 0, 0, 1);

  // One class alone: its own interval. Two alike: narrower by the root of two.
  const Interval one = balanced_accuracy_interval(confusion_of({{76, 24}, {0, 0}}));
  CHECK(one.low == doctest::Approx(0.6676766365018553).epsilon(1e-12));
  CHECK(one.high == doctest::Approx(0.8330867444305122).epsilon(1e-12));
  const Interval two = balanced_accuracy_interval(confusion_of({{76, 24}, {24, 76}}));
  CHECK(0.76 - two.low == doctest::Approx((0.76 - one.low) / std::sqrt(2.0)).epsilon(1e-12));
  CHECK(two.high - 0.76 == doctest::Approx((one.high - 0.76) / std::sqrt(2.0)).epsilon(1e-12));
}

TEST_CASE("calibration: bins and their expected error") {
  const std::vector<float> probabilities{0.95f, 0.05f, 0.93f, 0.07f, 0.1f, 0.9f,
                                         0.5f,  0.5f,  0.55f, 0.45f, 1.0f, 0.0f};
  const std::vector<int32_t> labels{0, 1, 1, 0, 0, 0};
  const auto bins = reliability(probabilities, labels, 10);
  REQUIRE(bins.size() == 10);
  CHECK(bins[5].count == 2);
  CHECK(bins[5].confidence == doctest::Approx(0.525));
  CHECK(bins[5].accuracy == 1.0);
  CHECK(bins[9].count == 4);  // 0.9 begins a bin, and 1 ends the last one
  CHECK(bins[9].confidence == doctest::Approx((0.95 + 0.93 + 0.9 + 1.0) / 4));
  CHECK(bins[9].accuracy == 0.75);
  CHECK(bins[0].count == 0);
  CHECK(expected_calibration_error(bins) ==
        doctest::Approx((2 * (1 - 0.525) + 4 * (0.945 - 0.75)) / 6));
  CHECK(expected_calibration_error(reliability({}, {}, 10)) == 0);
}

}  // namespace ember
