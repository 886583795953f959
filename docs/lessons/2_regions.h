#pragma once

#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.h"

/// The picture of lesson 2: which class a network sees where.
namespace ember {

/// Points a side of the square [-1.1, 1.1] x [-1.1, 1.1] that is asked about.
inline constexpr int64_t kRegionSide = 72;

/// Those points, (side * side, 1, 1, 2), row by row from the top left.
Tensor region_points();

/// What a network said of them.
struct Regions {
  std::string title;
  Tensor probabilities;  ///< (side * side, 3)
};

/// An SVG document with the pictures side by side, each under the labelled points (N, 1, 1, 2) that
/// the network learned from. The surer the network, the stronger the colour.
std::string regions_svg(std::span<const Regions> pictures, const Tensor& points,
                        const LabelTensor& labels);

}  // namespace ember
