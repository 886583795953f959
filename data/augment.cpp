#include "data/augment.h"

#include <array>
#include <cmath>
#include <numbers>

namespace ember {
namespace {

using Matrix = std::array<std::array<double, 3>, 3>;

Matrix operator*(const Matrix& a, const Matrix& b) {
  Matrix product{};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 3; ++k) product[i][j] += a[i][k] * b[k][j];
    }
  }
  return product;
}

Matrix translation(double x, double y) { return {{{1, 0, x}, {0, 1, y}, {0, 0, 1}}}; }

double radians(double degrees) { return degrees * std::numbers::pi / 180.0; }

int64_t to_fixed(double value) { return std::llround(value * 0x1p32); }

}  // namespace

AugmentationParameters draw_augmentation(const AugmentationRanges& ranges, const Philox& random,
                                         uint64_t element, int64_t height, int64_t width) {
  const auto first = random.block(2 * element);
  const auto second = random.block(2 * element + 1);
  const auto between = [](double low, double high, uint32_t bits) {
    return low + (high - low) * static_cast<double>(Philox::to_unit(bits));
  };
  const auto around_zero = [&](double limit, uint32_t bits) {
    return between(-limit, limit, bits);
  };
  AugmentationParameters drawn;
  drawn.theta = around_zero(ranges.rotation, first[0]);
  drawn.tx = around_zero(ranges.shift, first[1]) * static_cast<double>(height);
  drawn.ty = around_zero(ranges.shift, first[2]) * static_cast<double>(width);
  drawn.shear = around_zero(ranges.shear, first[3]);
  drawn.zx = between(ranges.zoom_lowest, ranges.zoom_highest, second[0]);
  drawn.zy = between(ranges.zoom_lowest, ranges.zoom_highest, second[1]);
  drawn.flip_horizontal = between(0, 1, second[2]) < ranges.flip_probability;
  drawn.brightness = between(ranges.brightness_lowest, ranges.brightness_highest, second[3]);
  return drawn;
}

PixelMap pixel_map(const AugmentationParameters& parameters, int64_t height, int64_t width) {
  const double t = radians(parameters.theta);
  const double s = radians(parameters.shear);
  const Matrix rotation{{{std::cos(t), -std::sin(t), 0}, {std::sin(t), std::cos(t), 0}, {0, 0, 1}}};
  const Matrix shear{{{1, -std::sin(s), 0}, {0, std::cos(s), 0}, {0, 0, 1}}};
  const Matrix zoom{{{parameters.zx, 0, 0}, {0, parameters.zy, 0}, {0, 0, 1}}};
  const double centre_x = static_cast<double>(height) / 2 - 0.5;
  const double centre_y = static_cast<double>(width) / 2 - 0.5;
  const Matrix m = translation(centre_x, centre_y) * rotation *
                   translation(parameters.tx, parameters.ty) * shear * zoom *
                   translation(-centre_x, -centre_y);

  PixelMap map{to_fixed(m[1][1]), to_fixed(m[1][0]), to_fixed(m[1][2]),
               to_fixed(m[0][1]), to_fixed(m[0][0]), to_fixed(m[0][2])};
  if (parameters.flip_horizontal) {  // output column c is column width - 1 - c of the rest
    map.row_offset += map.row_column * (width - 1);
    map.column_offset += map.column_column * (width - 1);
    map.row_column = -map.row_column;
    map.column_column = -map.column_column;
  }
  return map;
}

}  // namespace ember
