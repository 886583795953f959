#pragma once

#include <span>
#include <string>

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

}  // namespace ember
