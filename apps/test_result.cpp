#include "apps/test_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apps/run_folder.h"
#include "nn/calibration.h"

namespace ember {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Interval& interval) { return {interval.low, interval.high}; }

Json per_class_json(const ConfusionMatrix& confusion, const Classes& classes) {
  const std::vector<ClassMetrics> metrics = per_class_metrics(confusion);
  Json json = Json::object();
  for (size_t k = 0; k < classes.size(); ++k) {
    const int64_t right = confusion(k, k);
    json[classes[k]] = {
        {"precision", metrics[k].precision},
        {"precision_interval", to_json(wilson_interval(right, confusion.predictions(k)))},
        {"recall", metrics[k].recall},
        {"recall_interval", to_json(wilson_interval(right, confusion.support(k)))},
        {"f1", metrics[k].f1},
        {"support", metrics[k].support}};
  }
  return json;
}

Json matrix_json(const ConfusionMatrix& confusion) {
  Json matrix = Json::array();
  for (size_t truth = 0; truth < confusion.classes(); ++truth) {
    Json row = Json::array();
    for (size_t k = 0; k < confusion.classes(); ++k) row.push_back(confusion(truth, k));
    matrix.push_back(row);
  }
  return matrix;
}

Json reliability_json(std::span<const ReliabilityBin> bins) {
  Json json = Json::array();
  for (const ReliabilityBin& bin : bins) {
    json.push_back(
        {{"count", bin.count}, {"confidence", bin.confidence}, {"accuracy", bin.accuracy}});
  }
  return json;
}

Json sizes_json(const std::vector<SizeResult>& sizes) {
  Json json = Json::array();
  for (const auto& [from, to, confusion] : sizes) {
    json.push_back({{"from", from},
                    {"to", to == 0 ? Json() : Json(to)},
                    {"faces", confusion.total()},
                    {"accuracy", accuracy(confusion)},
                    {"balanced_accuracy", balanced_accuracy(confusion)}});
  }
  return json;
}

}  // namespace

size_t TestResult::predicted(size_t i) const {
  const auto p = probabilities_of(i);
  return static_cast<size_t>(std::max_element(p.begin(), p.end()) - p.begin());
}

ConfusionMatrix TestResult::confusion() const {
  ConfusionMatrix matrix(classes());
  for (size_t i = 0; i < rows.size(); ++i) {
    matrix.add(static_cast<size_t>(labels[i]), predicted(i));
  }
  return matrix;
}

void TestResult::append(const TestResult& other) {
  const auto before = static_cast<double>(rows.size());
  const auto more = static_cast<double>(other.rows.size());
  loss = (loss * before + other.loss * more) / (before + more);
  rows.insert(rows.end(), other.rows.begin(), other.rows.end());
  labels.insert(labels.end(), other.labels.begin(), other.labels.end());
  probabilities.insert(probabilities.end(), other.probabilities.begin(), other.probabilities.end());
}

std::string SizeResult::range() const {
  return to == 0 ? fmt::format("{} or more", from) : fmt::format("{} to {}", from, to - 1);
}

std::vector<SizeResult> by_face_size(const TestResult& result, const Dataset& dataset) {
  constexpr std::array<int, 6> kSides{0, 16, 32, 64, 128, 0};
  std::vector<SizeResult> sizes;
  for (size_t k = 0; k + 1 < kSides.size(); ++k) {
    sizes.push_back({kSides[k], kSides[k + 1], ConfusionMatrix(result.classes())});
  }
  for (size_t i = 0; i < result.rows.size(); ++i) {
    const auto& box = dataset.rows[static_cast<size_t>(result.rows[i])].box;
    if (!box) continue;
    const int side = std::max(box->xmax - box->xmin, box->ymax - box->ymin);
    for (auto& [from, to, confusion] : sizes) {
      if (from <= side && (to == 0 || side < to)) {
        confusion.add(static_cast<size_t>(result.labels[i]), result.predicted(i));
      }
    }
  }
  std::erase_if(sizes, [](const SizeResult& size) { return size.confusion.total() == 0; });
  return sizes;
}

std::string predictions_csv(const Dataset& dataset, const TestResult& result) {
  std::string csv = "file,row,true,predicted";
  for (const std::string& name : dataset.classes)
    csv.append(",").append(csv_field("probability_" + name));
  csv += "\n";
  for (size_t i = 0; i < result.rows.size(); ++i) {
    csv += fmt::format(
        "{},{},{},{}", csv_field(dataset.rows[static_cast<size_t>(result.rows[i])].file),
        result.rows[i], csv_field(dataset.classes[static_cast<size_t>(result.labels[i])]),
        csv_field(dataset.classes[result.predicted(i)]));
    for (const float probability : result.probabilities_of(i)) {
      csv += fmt::format(",{}", probability);
    }
    csv += "\n";
  }
  return csv;
}

Json metrics_json(const TestResult& result, const Dataset& dataset) {
  const ConfusionMatrix confusion = result.confusion();
  const auto bins = reliability(result.probabilities, result.labels);
  return {{"accuracy", accuracy(confusion)},
          {"accuracy_interval", to_json(accuracy_interval(confusion))},
          {"balanced_accuracy", balanced_accuracy(confusion)},
          {"balanced_accuracy_interval", to_json(balanced_accuracy_interval(confusion))},
          {"macro_f1", macro_average(per_class_metrics(confusion)).f1},
          {"loss", result.loss},
          {"expected_calibration_error", expected_calibration_error(bins)},
          {"per_class", per_class_json(confusion, dataset.classes)},
          {"confusion_matrix", matrix_json(confusion)},
          {"reliability", reliability_json(bins)},
          {"by_face_size", sizes_json(by_face_size(result, dataset))}};
}

std::string confusion_text(const ConfusionMatrix& confusion, const Classes& classes) {
  std::string text = "Confusion matrix (actual down, predicted across):\n";
  for (size_t truth = 0; truth < classes.size(); ++truth) {
    for (size_t k = 0; k < classes.size(); ++k) text += fmt::format("{:>8}", confusion(truth, k));
    text += fmt::format("  {}\n", classes[truth]);
  }
  return text;
}

std::string with_interval(double value, const Interval& interval) {
  return fmt::format("{:.4f} ({:.4f} to {:.4f})", value, interval.low, interval.high);
}

std::string accuracies_text(const ConfusionMatrix& confusion) {
  return fmt::format(
      "accuracy {}, balanced accuracy {}",
      with_interval(accuracy(confusion), accuracy_interval(confusion)),
      with_interval(balanced_accuracy(confusion), balanced_accuracy_interval(confusion)));
}

}  // namespace ember
