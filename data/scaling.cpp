#include "data/scaling.h"

#include "tensor/dispatch.h"
#include "tensor/error.h"

namespace ember {
namespace {

constexpr int kChannels = 3;

constexpr std::array<std::string_view, 3> kNames{"unit", "symmetric", "imagenet"};  // as in Scale

}  // namespace

std::string_view to_string(Scale scale) { return kNames[static_cast<size_t>(scale)]; }

Scale parse_scale(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Scale>(i);
  }
  fail(ExitCode::usage, "scale {}: unknown; give unit, symmetric or imagenet", name);
}

Scaling scaling_of(Scale scale) {
  const ExactScaling exact = exact_scaling_of(scale);
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
      table[c][pixel] = static_cast<float>(exact_scaling_of(scale).apply(pixel, c));
    }
  }
  const uint8_t* from = pixels.data();
  float* to = input.data();
  for (int64_t i = 0; i < pixels.size(); i += kChannels) {
    for (int c = 0; c < kChannels; ++c) to[i + c] = table[c][from[i + c]];
  }
}

void require_batch(const char* operation, const ByteTensor& photos, const IndexTensor& photo_of,
                   const Tensor& images) {
  EMBER_REQUIRE(photos.rank() == 4 && photos.dim(3) == kChannels,
                "{}: photos {} want (P, height, width, 3)", operation, to_string(photos.shape()));
  EMBER_REQUIRE(photo_of.rank() == 1 && images.shape() == photos.shape().with_rows(photo_of.dim(0)),
                "{}: images {}, but {} of the photos {} are asked for", operation,
                to_string(images.shape()), to_string(photo_of.shape()), to_string(photos.shape()));
  EMBER_REQUIRE(photos.device() == images.device() && photo_of.device() == images.device(),
                "{}: photos on {}, photo_of on {}, images on {}", operation,
                to_string(photos.device()), to_string(photo_of.device()),
                to_string(images.device()));
}

namespace cpu {

void scale_batch(const ByteTensor& photos, const IndexTensor& photo_of, Scale scale,
                 Tensor& images) {
  for (int64_t n = 0; n < photo_of.size(); ++n) {
    const int64_t photo = photo_of.data()[n];
    Tensor image = images.rows(n, n + 1);
    scale_pixels(photos.rows(photo, photo + 1), scale, image);
  }
}

}  // namespace cpu

void scale_batch(const ByteTensor& photos, const IndexTensor& photo_of, Scale scale,
                 Tensor& images) {
  require_batch("scale_batch", photos, photo_of, images);
  EMBER_DISPATCH(images.device(), scale_batch, photos, photo_of, scale, images);
}

}  // namespace ember
