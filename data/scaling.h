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

/// Scales uint8 RGB pixels (.., 3) to floats of equal shape, each value rounded once from its exact
/// one.
void scale_pixels(const ByteTensor& pixels, Scale scale, Tensor& input);

}  // namespace ember
