#pragma once

#include <span>
#include <string>

#include "nn/calibration.h"
#include "nn/history.h"
#include "nn/metrics.h"

/// The pictures of a run: SVG documents that need nothing beside them and follow the viewer's light
/// or dark theme.
namespace ember {

/// Accuracy and loss of training and validation over the epochs of all stages, a dashed line where
/// one stage ends and the next begins.
std::string curves_svg(const std::string& title, const History& history);

/// A heat map, true classes down and predicted ones across; each cell holds its count and its share
/// of the row.
std::string confusion_matrix_svg(const std::string& title, const ConfusionMatrix& confusion,
                                 std::span<const std::string> classes);

/// Shares of right predictions over confidences, and how many predictions there are of each: on the
/// diagonal a model's confidence is its accuracy.
std::string reliability_svg(const std::string& title, std::span<const ReliabilityBin> bins);

/// A share with its interval.
struct Estimate {
  std::string name;
  double value;
  Interval interval;
};

/// Estimates below each other, each a dot with its interval, on an axis from 0 to 1.
std::string estimates_svg(const std::string& title, std::span<const Estimate> estimates);

/// What the time of each epoch went into: steps, waiting for data, validation and the rest.
std::string times_svg(const std::string& title, const History& history);

}  // namespace ember
