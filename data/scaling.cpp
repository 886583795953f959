#include "data/scaling.h"

#include "tensor/error.h"

namespace ember {
namespace {

constexpr int kChannels = 3;

struct ExactScaling {
  double divisor;
  std::array<double, kChannels> mean;
  std::array<double, kChannels> std;

  /// (pixel / divisor - mean) / std
  double apply(double pixel, int channel) const {
    return (pixel / divisor - mean[channel]) / std[channel];
  }
};

struct NamedScale {
  std::string_view name;
  ExactScaling scaling;
};

// In the order of Scale.
constexpr std::array<NamedScale, 3> kScales{{
    {"unit", {255.0, {0, 0, 0}, {1, 1, 1}}},
    {"symmetric", {127.5, {1, 1, 1}, {1, 1, 1}}},
    {"imagenet", {255.0, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}}},
}};

const NamedScale& named(Scale scale) { return kScales[static_cast<size_t>(scale)]; }

}  // namespace

std::string_view to_string(Scale scale) { return named(scale).name; }

Scale parse_scale(std::string_view name) {
  for (size_t i = 0; i < kScales.size(); ++i) {
    if (kScales[i].name == name) return static_cast<Scale>(i);
  }
  fail(ExitCode::usage, "scale {}: unknown; give unit, symmetric or imagenet", name);
}

Scaling scaling_of(Scale scale) {
  const ExactScaling& exact = named(scale).scaling;
  Scaling scaling{};
  for (int c = 0; c < kChannels; ++c) {
    scaling.factor[c] = static_cast<float>(1.0 / (exact.divisor * exact.std[c]));
    scaling.offset[c] = static_cast<float>(exact.apply(0.0, c));
  }
  return scaling;
}

void scale_pixels(const ByteTensor& pixels, Scale scale, Tensor& input) {
  EMBER_REQUIRE(pixels.shape() == input.shape() && pixels.rank() > 0 && pixels.dim(-1) == kChannels,
                "scale_pixels: pixels {}, input {}", to_string(pixels.shape()),
                to_string(input.shape()));
  std::array<std::array<float, 256>, kChannels> table{};
  for (int c = 0; c < kChannels; ++c) {
    for (int pixel = 0; pixel < 256; ++pixel) {
      table[c][pixel] = static_cast<float>(named(scale).scaling.apply(pixel, c));
    }
  }
  const uint8_t* from = pixels.data();
  float* to = input.data();
  for (int64_t i = 0; i < pixels.size(); i += kChannels) {
    for (int c = 0; c < kChannels; ++c) to[i + c] = table[c][from[i + c]];
  }
}

}  // namespace ember
