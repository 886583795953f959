#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// Whether a model's probabilities mean what they say.
namespace ember {

/// The predictions whose confidence, the probability of the predicted class, lies in one of several
/// equal parts of [0, 1].
struct ReliabilityBin {
  int64_t count = 0;
  double confidence = 0;  ///< mean over its predictions; 0 where there are none
  double accuracy = 0;    ///< share of right ones
};

/// `probabilities` is (rows, classes), row-major, `labels` (rows) the true classes.
std::vector<ReliabilityBin> reliability(std::span<const float> probabilities,
                                        std::span<const int32_t> labels, int bins = 10);

/// Mean distance of confidence and accuracy over the bins, weighted by their counts. (Guo, Pleiss,
/// Sun, Weinberger: "On calibration of modern neural networks", 2017.)
double expected_calibration_error(std::span<const ReliabilityBin> bins);

}  // namespace ember
