#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tensor/tensor.h"

/// Samples and initial weights by formula, bit for bit those of tests/golden/golden.py, which says
/// what they are; its functions have the same names.
namespace ember::formula {

inline uint32_t hash32(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7FEB352D;
  x = (x ^ (x >> 15)) * 0x846CA68B;
  return x ^ (x >> 16);
}

/// hash_sequence(seed)[i].
inline uint32_t hash_element(uint32_t seed, uint32_t i) { return hash32(hash32(seed) + i); }

inline Tensor symmetric(uint32_t seed, const Shape& shape, double limit = 1.0) {
  Tensor tensor(shape);
  uint32_t i = 0;
  for (float& value : tensor.values()) {
    const double unit = (hash_element(seed, i++) >> 8) * 0x1p-24;
    value = static_cast<float>((2.0 * unit - 1.0) * limit);
  }
  return tensor;
}

/// Element (row, column, channel) of picture(seed, _, width, cell).
inline uint32_t picture_element(uint32_t seed, uint32_t width, uint32_t cell, uint32_t row,
                                uint32_t column, uint32_t channel) {
  const auto grid = [&](uint32_t r, uint32_t c) {
    return hash_element(seed, (r * (width / cell + 2) + c) * 3 + channel) >> 24;
  };
  const uint32_t r = row / cell;
  const uint32_t v = row % cell;
  const uint32_t c = column / cell;
  const uint32_t u = column % cell;
  const uint32_t top = grid(r, c) * (cell - u) + grid(r, c + 1) * u;
  const uint32_t bottom = grid(r + 1, c) * (cell - u) + grid(r + 1, c + 1) * u;
  return (top * (cell - v) + bottom * v) / (cell * cell);
}

struct Sample {
  ByteTensor image;  ///< (side, side, 3)
  int32_t label;
};

inline Sample training_sample(uint32_t n, int64_t side) {
  Sample sample{ByteTensor({side, side, 3}), static_cast<int32_t>(hash32(n) % 3)};
  const auto width = static_cast<uint32_t>(side);
  const uint32_t cell = std::max(8U, width / 8);
  uint8_t* pixel = sample.image.data();
  for (uint32_t row = 0; row < width; ++row) {
    for (uint32_t column = 0; column < width; ++column) {
      for (uint32_t channel = 0; channel < 3; ++channel) {
        const uint32_t drawn = picture_element(1000 + n, width, cell, row, column, channel);
        const uint32_t tint = static_cast<int32_t>(channel) == sample.label ? 255 : 0;
        *pixel++ = static_cast<uint8_t>((7 * drawn + tint) / 8);
      }
    }
  }
  return sample;
}

/// `name` is "layer/variable".
inline Tensor parameter(const std::string& name, const Shape& shape) {
  uint32_t seed = 2166136261;
  for (const char byte : name) seed = (seed ^ static_cast<uint8_t>(byte)) * 16777619;
  const std::string variable = name.substr(name.find('/') + 1);
  if (variable == "bias") return Tensor::zeros(shape);
  if (variable == "kernel") {
    const bool wide = shape.rank() == 4 && shape[1] * shape[2] > 1;
    const int64_t fan = shape.rank() == 3 ? 9
                        : wide            ? shape.size() / shape[0]
                                          : shape[0] + shape[-1];
    return symmetric(seed, shape, std::sqrt(6.0 / static_cast<double>(fan)));
  }
  const float middle = variable == "gamma" || variable == "moving_variance" ? 1.0f : 0.0f;
  const float divisor = variable == "moving_variance" ? 2.0f : 4.0f;
  Tensor tensor = symmetric(seed, shape);
  for (float& value : tensor.values()) value = middle + value / divisor;
  return tensor;
}

}  // namespace ember::formula
