#include "nn/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "tensor/error.h"

namespace ember {
namespace {

double share(double part, double whole) { return whole == 0 ? 0 : part / whole; }

// Python pads by code points; fmt by the columns of a terminal, where some take two.
size_t code_points(std::string_view utf8) {
  return static_cast<size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string pad_left(std::string_view text, size_t width) {
  const size_t length = code_points(text);
  return std::string(width - std::min(width, length), ' ').append(text);
}

}  // namespace

void ConfusionMatrix::add(size_t truth, size_t predicted, int64_t count) {
  EMBER_REQUIRE(truth < classes_ && predicted < classes_,
                "confusion matrix of {} classes: no cell ({}, {})", classes_, truth, predicted);
  counts_[truth * classes_ + predicted] += count;
}

int64_t ConfusionMatrix::support(size_t truth) const {
  int64_t sum = 0;
  for (size_t predicted = 0; predicted < classes_; ++predicted) sum += (*this)(truth, predicted);
  return sum;
}

int64_t ConfusionMatrix::predictions(size_t predicted) const {
  int64_t sum = 0;
  for (size_t truth = 0; truth < classes_; ++truth) sum += (*this)(truth, predicted);
  return sum;
}

int64_t ConfusionMatrix::correct() const {
  int64_t sum = 0;
  for (size_t k = 0; k < classes_; ++k) sum += (*this)(k, k);
  return sum;
}

int64_t ConfusionMatrix::total() const {
  int64_t sum = 0;
  for (int64_t count : counts_) sum += count;
  return sum;
}

std::vector<ClassMetrics> per_class_metrics(const ConfusionMatrix& confusion) {
  std::vector<ClassMetrics> classes;
  for (size_t k = 0; k < confusion.classes(); ++k) {
    const auto right = static_cast<double>(confusion(k, k));
    const auto predicted = static_cast<double>(confusion.predictions(k));
    const auto support = static_cast<double>(confusion.support(k));
    classes.push_back({share(right, predicted), share(right, support),
                       share(2 * right, support + predicted), confusion.support(k)});
  }
  return classes;
}

ClassMetrics macro_average(std::span<const ClassMetrics> classes) {
  ClassMetrics mean;
  for (const ClassMetrics& metrics : classes) {
    mean.precision += metrics.precision;
    mean.recall += metrics.recall;
    mean.f1 += metrics.f1;
    mean.support += metrics.support;
  }
  const auto count = static_cast<double>(classes.size());
  mean.precision = share(mean.precision, count);
  mean.recall = share(mean.recall, count);
  mean.f1 = share(mean.f1, count);
  return mean;
}

ClassMetrics weighted_average(std::span<const ClassMetrics> classes) {
  ClassMetrics mean;
  for (const ClassMetrics& metrics : classes) {
    const auto weight = static_cast<double>(metrics.support);
    mean.precision += weight * metrics.precision;
    mean.recall += weight * metrics.recall;
    mean.f1 += weight * metrics.f1;
    mean.support += metrics.support;
  }
  const auto total = static_cast<double>(mean.support);
  mean.precision = share(mean.precision, total);
  mean.recall = share(mean.recall, total);
  mean.f1 = share(mean.f1, total);
  return mean;
}

double accuracy(const ConfusionMatrix& confusion) {
  return share(static_cast<double>(confusion.correct()), static_cast<double>(confusion.total()));
}

double balanced_accuracy(const ConfusionMatrix& confusion) {
  double sum = 0;
  double present = 0;
  for (const ClassMetrics& metrics : per_class_metrics(confusion)) {
    if (metrics.support == 0) continue;
    sum += metrics.recall;
    present += 1;
  }
  return share(sum, present);
}

Interval wilson_interval(int64_t count, int64_t total) {
  if (total == 0) return {};
  constexpr double z = 1.959963984540054;  // the normal distribution's 97.5 per cent
  const auto n = static_cast<double>(total);
  const double p = static_cast<double>(count) / n;
  const double middle = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  // A share of 0 or 1 is its own bound, which rounding must not move.
  return {count == 0 ? 0 : middle - half, count == total ? 1 : middle + half};
}

Interval accuracy_interval(const ConfusionMatrix& confusion) {
  return wilson_interval(confusion.correct(), confusion.total());
}

Interval balanced_accuracy_interval(const ConfusionMatrix& confusion) {
  double below = 0;
  double above = 0;
  double present = 0;
  for (size_t k = 0; k < confusion.classes(); ++k) {
    const int64_t support = confusion.support(k);
    if (support == 0) continue;
    const double recall = static_cast<double>(confusion(k, k)) / static_cast<double>(support);
    const auto [low, high] = wilson_interval(confusion(k, k), support);
    below += (recall - low) * (recall - low);
    above += (high - recall) * (high - recall);
    present += 1;
  }
  if (present == 0) return {};
  const double mean = balanced_accuracy(confusion);
  return {mean - std::sqrt(below) / present, mean + std::sqrt(above) / present};
}

std::string classification_report(const ConfusionMatrix& confusion,
                                  std::span<const std::string> names) {
  EMBER_REQUIRE(names.size() == confusion.classes(), "report: {} names for {} classes",
                names.size(), confusion.classes());
  size_t width = std::string_view("weighted avg").size();
  for (const std::string& name : names) width = std::max(width, code_points(name));

  // scikit-learn's counts turn into floats, and print so, when no prediction at all is right.
  const std::string_view decimals = confusion.correct() == 0 ? ".0" : "";
  const auto row = [&](std::string_view name, const ClassMetrics& metrics) {
    return fmt::format("{}  {:9.2f} {:9.2f} {:9.2f} {:>9}\n", pad_left(name, width),
                       metrics.precision, metrics.recall, metrics.f1,
                       fmt::format("{}{}", metrics.support, decimals));
  };

  const std::vector<ClassMetrics> classes = per_class_metrics(confusion);
  std::string report = fmt::format("{:{}}  {:>9} {:>9} {:>9} {:>9}\n\n", "", width, "precision",
                                   "recall", "f1-score", "support");
  for (size_t k = 0; k < classes.size(); ++k) report += row(names[k], classes[k]);
  report += fmt::format("\n{}  {:9} {:9} {:9.2f} {:>9}\n", pad_left("accuracy", width), "", "",
                        accuracy(confusion), fmt::format("{}{}", confusion.total(), decimals));
  report += row("macro avg", macro_average(classes));
  report += row("weighted avg", weighted_average(classes));
  return report;
}

}  // namespace ember
