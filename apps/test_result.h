#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/face_dataset.h"
#include "nn/metrics.h"

namespace ember {

/// What a model, or those of several folds one after the other, say of the rows that they are
/// tested on.
struct TestResult {
  std::vector<int64_t> rows;  ///< positions in the data set
  std::vector<int32_t> labels;
  std::vector<float> probabilities;  ///< (rows, classes)
  double loss = 0;                   ///< mean cross-entropy in nats

  size_t classes() const { return rows.empty() ? 0 : probabilities.size() / rows.size(); }
  std::span<const float> probabilities_of(size_t i) const {
    return std::span(probabilities).subspan(i * classes(), classes());
  }
  /// The class of the highest probability, the first of equal ones.
  size_t predicted(size_t i) const;
  ConfusionMatrix confusion() const;

  void append(const TestResult& other);
};

/// Results of the faces whose longer side, in pixels of their photo, lies in [from, to).
struct SizeResult {
  int from;
  int to;  ///< 0: no limit
  ConfusionMatrix confusion;

  std::string range() const;  ///< "16 to 31", "128 or more"
};
std::vector<SizeResult> by_face_size(const TestResult& result, const Dataset& dataset);

/// predictions.csv: a line a tested row.
std::string predictions_csv(const Dataset& dataset, const TestResult& result);

/// The numbers of report.json.
nlohmann::ordered_json metrics_json(const TestResult& result, const Dataset& dataset);

/// The confusion matrix as it is printed.
std::string confusion_text(const ConfusionMatrix& confusion, const Classes& classes);

/// "0.9605 (0.9540 to 0.9661)"
std::string with_interval(double value, const Interval& interval);

/// The accuracy and the balanced one, with their intervals.
std::string accuracies_text(const ConfusionMatrix& confusion);

}  // namespace ember
