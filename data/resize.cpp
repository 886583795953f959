#include "data/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "tensor/error.h"

namespace ember {
namespace {

constexpr int kWeightBits = 11;

/// Where one output coordinate samples: weight[0] * input[first] + weight[1] * input[first + 1].
struct Tap {
  int64_t first;
  std::array<int, 2> weight;
};

double input_step(int64_t input, int64_t output) {
  return 1.0 / (static_cast<double>(output) / static_cast<double>(input));
}

/// The position is rounded to float before it is split, as OpenCV does.
Tap tap_at(int64_t position, double step) {
  const auto centre = static_cast<float>((static_cast<double>(position) + 0.5) * step - 0.5);
  const float floor = std::floor(centre);
  const float fraction = centre - floor;
  constexpr float kOne = 1 << kWeightBits;
  return {static_cast<int64_t>(floor),
          {static_cast<int>(std::lrint((1.0f - fraction) * kOne)),
           static_cast<int>(std::lrint(fraction * kOne))}};
}

/// Columns: outside the image only the edge counts.
std::vector<Tap> column_taps(int64_t input, int64_t output) {
  std::vector<Tap> taps;
  for (int64_t x = 0; x < output; ++x) {
    Tap tap = tap_at(x, input_step(input, output));
    if (tap.first < 0 || tap.first >= input - 1) {
      tap = {std::clamp<int64_t>(tap.first, 0, input - 1), {1 << kWeightBits, 0}};
    }
    taps.push_back(tap);
  }
  return taps;
}

/// One input row resized horizontally, its values scaled by 2^11.
void resize_row(const uint8_t* row, const std::vector<Tap>& taps, int64_t channels, int* resized) {
  for (const Tap& tap : taps) {
    const uint8_t* left = row + tap.first * channels;
    const uint8_t* right = tap.weight[1] == 0 ? left : left + channels;
    for (int64_t c = 0; c < channels; ++c) {
      *resized++ = left[c] * tap.weight[0] + right[c] * tap.weight[1];
    }
  }
}

/// The two rows carry 22 fraction bits after their weights; OpenCV drops 4 + 16 of them from each
/// product before the sum, and rounds by the last 2.
void blend_rows(const int* top, const int* bottom, const std::array<int, 2>& weight, int64_t count,
                uint8_t* out) {
  for (int64_t i = 0; i < count; ++i) {
    const int sum = (weight[0] * (top[i] >> 4) >> 16) + (weight[1] * (bottom[i] >> 4) >> 16);
    out[i] = static_cast<uint8_t>((sum + 2) >> 2);
  }
}

bool is_half(int64_t input, int64_t output) {
  return std::abs(input_step(input, output) - 2.0) < std::numeric_limits<double>::epsilon();
}

void halve(const ByteTensor& image, ByteTensor& resized) {
  const int64_t channels = image.dim(2);
  const int64_t stride = image.dim(1) * channels;
  uint8_t* out = resized.data();
  for (int64_t y = 0; y < resized.dim(0); ++y) {
    for (int64_t x = 0; x < resized.dim(1); ++x) {
      const uint8_t* in = image.data() + 2 * (y * stride + x * channels);
      for (int64_t c = 0; c < channels; ++c, ++in) {
        const int sum = in[0] + in[channels] + in[stride] + in[stride + channels];
        *out++ = static_cast<uint8_t>((sum + 2) >> 2);
      }
    }
  }
}

}  // namespace

void resize_bilinear(const ByteTensor& image, ByteTensor& resized) {
  EMBER_REQUIRE(image.rank() == 3 && resized.rank() == 3 && image.dim(2) == resized.dim(2) &&
                    image.shape().size() > 0 && resized.shape().size() > 0,
                "resize_bilinear: image {}, resized {}", to_string(image.shape()),
                to_string(resized.shape()));
  if (image.shape() == resized.shape()) return resized.copy_from(image);
  if (is_half(image.dim(0), resized.dim(0)) && is_half(image.dim(1), resized.dim(1))) {
    return halve(image, resized);
  }
  const int64_t channels = image.dim(2);
  const int64_t last_row = image.dim(0) - 1;
  const auto taps = column_taps(image.dim(1), resized.dim(1));
  const auto row_size = static_cast<int64_t>(taps.size()) * channels;

  // Input rows that consecutive output rows share are resized once.
  struct ResizedRow {
    int64_t row = -1;
    std::vector<int> values;
  };
  std::array<ResizedRow, 2> cache;
  for (auto& entry : cache) entry.values.resize(static_cast<size_t>(row_size));

  for (int64_t y = 0; y < resized.dim(0); ++y) {
    const Tap tap = tap_at(y, input_step(image.dim(0), resized.dim(0)));
    const int64_t top = std::clamp<int64_t>(tap.first, 0, last_row);
    const int64_t bottom = std::clamp<int64_t>(tap.first + 1, 0, last_row);
    if (cache[1].row == top) std::swap(cache[0], cache[1]);
    for (const auto& [entry, row] : {std::pair(&cache[0], top), std::pair(&cache[1], bottom)}) {
      if (entry->row == row) continue;
      resize_row(image.data() + row * image.dim(1) * channels, taps, channels,
                 entry->values.data());
      entry->row = row;
    }
    blend_rows(cache[0].values.data(), cache[1].values.data(), tap.weight, row_size,
               resized.data() + y * row_size);
  }
}

}  // namespace ember
