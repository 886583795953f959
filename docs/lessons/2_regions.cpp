#include "docs/lessons/2_regions.h"

#include <fmt/format.h>

#include <algorithm>

namespace ember {
namespace {

constexpr double kExtent = 1.1;
constexpr double kPanel = 270;  // pixels a side
constexpr double kGap = 15;
constexpr double kTop = 34;
constexpr int kLevels = 4;
constexpr int kClasses = 3;

// Blue, vermilion and bluish green of Okabe and Ito's palette, and the page.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73"};

/// 0 for an even guess between the classes, kLevels - 1 for near certainty.
int level_of(float probability) {
  const double sureness = (static_cast<double>(probability) - 1.0 / kClasses) * 1.5;
  return std::clamp(static_cast<int>(sureness * kLevels), 0, kLevels - 1);
}

/// One path for each class and level, made of runs of cells in a row.
std::string draw_cells(const Tensor& probabilities) {
  std::string paths[kClasses * kLevels];
  const auto paint_of = [&](int64_t cell) {
    const float* p = probabilities.data() + cell * kClasses;
    const auto k = static_cast<int>(std::max_element(p, p + kClasses) - p);
    return k * kLevels + level_of(p[k]);
  };
  for (int64_t y = 0; y < kRegionSide; ++y) {
    for (int64_t x = 0; x < kRegionSide;) {
      const int paint = paint_of(y * kRegionSide + x);
      int64_t end = x + 1;
      while (end < kRegionSide && paint_of(y * kRegionSide + end) == paint) ++end;
      paths[paint] += fmt::format("M{} {}h{}v1h{}z", x, y, end - x, x - end);
      x = end;
    }
  }
  std::string svg;
  for (int paint = 0; paint < kClasses * kLevels; ++paint) {
    if (paths[paint].empty()) continue;
    svg += fmt::format("<path fill=\"{}\" fill-opacity=\"{:.2f}\" d=\"{}\"/>\n",
                       kColours[paint / kLevels], 0.12 + 0.14 * (paint % kLevels), paths[paint]);
  }
  return svg;
}

std::string draw_points(const Tensor& points, const LabelTensor& labels) {
  std::string svg = "<g id=\"points\" stroke=\"#ffffff\" stroke-width=\"0.7\">\n";
  for (int64_t n = 0; n < labels.size(); ++n) {
    const float* point = points.data() + 2 * n;
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n",
                       (point[0] / kExtent + 1) / 2 * kPanel, (1 - point[1] / kExtent) / 2 * kPanel,
                       kColours[labels.data()[n]]);
  }
  return svg + "</g>\n";
}

}  // namespace

Tensor region_points() {
  Tensor points({kRegionSide * kRegionSide, 1, 1, 2});
  const auto place = [](int64_t cell) {
    return static_cast<float>((2 * (static_cast<double>(cell) + 0.5) / kRegionSide - 1) * kExtent);
  };
  for (int64_t y = 0; y < kRegionSide; ++y) {
    for (int64_t x = 0; x < kRegionSide; ++x) {
      float* point = points.data() + 2 * (y * kRegionSide + x);
      point[0] = place(x);
      point[1] = -place(y);
    }
  }
  return points;
}

std::string regions_svg(std::span<const Regions> pictures, const Tensor& points,
                        const LabelTensor& labels) {
  const double width = kGap + static_cast<double>(pictures.size()) * (kPanel + kGap);
  const double height = kTop + kPanel + kGap;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\">\n<rect width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "fill=\"#ffffff\"/>\n<defs>\n",
      width, height);
  svg += draw_points(points, labels) + "</defs>\n";
  double left = kGap;
  for (const Regions& picture : pictures) {
    svg += fmt::format(
        "<text x=\"{:.1f}\" y=\"22\" text-anchor=\"middle\" font-family=\"system-ui, sans-serif\" "
        "font-size=\"14\" fill=\"#1f2328\">{}</text>\n",
        left + kPanel / 2, picture.title);
    svg += fmt::format(
        "<g transform=\"translate({:.1f} {:.1f})\">\n<g transform=\"scale({:.4f})\" "
        "shape-rendering=\"crispEdges\">\n{}</g>\n<use href=\"#points\"/>\n</g>\n",
        left, kTop, kPanel / static_cast<double>(kRegionSide), draw_cells(picture.probabilities));
    left += kPanel + kGap;
  }
  return svg + "</svg>\n";
}

}  // namespace ember
