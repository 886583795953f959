#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ember {

/// Counts of (true class, predicted class): rows are true, columns predicted.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(size_t classes) : classes_(classes), counts_(classes * classes) {}

  void add(size_t truth, size_t predicted, int64_t count = 1);

  size_t classes() const { return classes_; }
  int64_t operator()(size_t truth, size_t predicted) const {
    return counts_[truth * classes_ + predicted];
  }

  int64_t support(size_t truth) const;          ///< sum of a row
  int64_t predictions(size_t predicted) const;  ///< sum of a column
  int64_t correct() const;                      ///< sum of the diagonal
  int64_t total() const;

 private:
  size_t classes_;
  std::vector<int64_t> counts_;
};

/// Shares with nothing to divide by are 0, as scikit-learn has them after its warning.
struct ClassMetrics {
  double precision = 0;  ///< right ones among those predicted as the class
  double recall = 0;     ///< right ones among those of the class
  double f1 = 0;         ///< harmonic mean of both
  int64_t support = 0;   ///< samples of the class
};

std::vector<ClassMetrics> per_class_metrics(const ConfusionMatrix& confusion);

/// Mean over the classes, each counting the same; `support` is the number of all samples.
ClassMetrics macro_average(std::span<const ClassMetrics> classes);

/// Mean over the classes, weighted by their support.
ClassMetrics weighted_average(std::span<const ClassMetrics> classes);

/// Share of right predictions.
double accuracy(const ConfusionMatrix& confusion);

/// Mean recall of the classes that have support.
double balanced_accuracy(const ConfusionMatrix& confusion);

/// Where a share may truly lie.
struct Interval {
  double low = 0;
  double high = 1;
};

/// Wilson's score interval of a share at 95 per cent, from `count` of `total`; [0, 1] where there
/// is nothing to count. (Wilson: "Probable inference, the law of succession, and statistical
/// inference", 1927.) Samples count as independent of each other.
Interval wilson_interval(int64_t count, int64_t total);

/// The same for accuracy(), and
Interval accuracy_interval(const ConfusionMatrix& confusion);

/// for balanced_accuracy(), the mean of the classes' recalls, from their own intervals, which are
/// independent of each other. (Zou, Donner: "Construction of confidence limits about effect
/// measures", 2008.)
Interval balanced_accuracy_interval(const ConfusionMatrix& confusion);

/// The table that scikit-learn 1.5 prints as `classification_report(true, predicted,
/// labels=range(n), target_names=names)`, byte for byte.
std::string classification_report(const ConfusionMatrix& confusion,
                                  std::span<const std::string> names);

}  // namespace ember
