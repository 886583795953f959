#include "nn/calibration.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace ember {

std::vector<ReliabilityBin> reliability(std::span<const float> probabilities,
                                        std::span<const int32_t> labels, int bins) {
  EMBER_REQUIRE(bins > 0 && (labels.empty() || probabilities.size() % labels.size() == 0),
                "reliability: {} probabilities of {} rows in {} bins", probabilities.size(),
                labels.size(), bins);
  std::vector<ReliabilityBin> result(static_cast<size_t>(bins));
  if (labels.empty()) return result;
  const size_t classes = probabilities.size() / labels.size();
  for (size_t row = 0; row < labels.size(); ++row) {
    const auto of_row = probabilities.subspan(row * classes, classes);
    const auto best = std::max_element(of_row.begin(), of_row.end());
    const auto place = static_cast<size_t>(std::max(0.0f, *best) * static_cast<float>(bins));
    ReliabilityBin& bin = result[std::min(place, result.size() - 1)];
    ++bin.count;
    bin.confidence += static_cast<double>(*best);
    if (best - of_row.begin() == labels[row]) bin.accuracy += 1;
  }
  for (ReliabilityBin& bin : result) {
    if (bin.count == 0) continue;
    bin.confidence /= static_cast<double>(bin.count);
    bin.accuracy /= static_cast<double>(bin.count);
  }
  return result;
}

double expected_calibration_error(std::span<const ReliabilityBin> bins) {
  double sum = 0;
  int64_t count = 0;
  for (const ReliabilityBin& bin : bins) {
    sum += static_cast<double>(bin.count) * std::abs(bin.confidence - bin.accuracy);
    count += bin.count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

}  // namespace ember
