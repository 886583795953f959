#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tensor/tensor.h"

namespace ember {

/// How pixels become a network's input. Named as in the metadata of weights files.
enum class Scale {
  unit,       ///< x / 255, in [0, 1]
  symmetric,  ///< x / 127.5 - 1, in [-1, 1]: Keras's MobileNetV2
  imagenet,   ///< (x / 255 - mean) / std of ImageNet's channels: torchvision
};

std::string_view to_string(Scale scale);

/// Throws Error(usage) that lists the three names.
Scale parse_scale(std::string_view name);

/// input = pixel * factor[channel] + offset[channel]
struct Scaling {
  std::array<float, 3> factor;
  std::array<float, 3> offset;
};
Scaling scaling_of(Scale scale);

/// The same in double, from which everything else is rounded.
struct ExactScaling {
  double divisor;
  std::array<double, 3> mean;
  std::array<double, 3> std;

  constexpr double apply(double pixel, int channel) const {
    return (pixel / divisor - mean[channel]) / std[channel];
  }
};
constexpr ExactScaling exact_scaling_of(Scale scale) {
  switch (scale) {
    case Scale::symmetric:
      return {127.5, {1, 1, 1}, {1, 1, 1}};
    case Scale::imagenet:
      return {255.0, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
    case Scale::unit:
      break;
  }
  return {255.0, {0, 0, 0}, {1, 1, 1}};
}

/// Which photo a place of a batch shows: indices into the first dimension of `photos`.
using IndexTensor = TensorOf<int32_t>;

/// Scales uint8 RGB pixels (.., 3) to floats of equal shape, each value rounded once from its exact
/// one.
void scale_pixels(const ByteTensor& pixels, Scale scale, Tensor& input);

/// A batch of the same: image n of `images` is photo `photo_of[n]` of `photos`. photos (P, height,
/// width, 3), photo_of (N), images (N, height, width, 3), all on one device.
void scale_batch(const ByteTensor& photos, const IndexTensor& photo_of, Scale scale,
                 Tensor& images);

namespace cpu {
void scale_batch(const ByteTensor& photos, const IndexTensor& photo_of, Scale scale,
                 Tensor& images);
}  // namespace cpu

namespace cuda {
void scale_batch(const ByteTensor& photos, const IndexTensor& photo_of, Scale scale,
                 Tensor& images);
}  // namespace cuda

/// Throws unless a batch's photos, their indices and its images fit together.
void require_batch(const char* operation, const ByteTensor& photos, const IndexTensor& photo_of,
                   const Tensor& images);

}  // namespace ember
