#include "nn/metrics.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

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

}  // namespace ember
