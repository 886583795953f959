#pragma once

#include <cstdint>
#include <string>

#include "nn/model.h"

namespace ember {

/// What distinguishes the networks that share MobileNetV2's weights.
enum class PaddingConvention {
  tensorflow,  ///< stride 2 pads (0, 1) on even sizes
  pytorch,     ///< stride 2 pads (1, 1)
};

/// Of BatchNorm's moving statistics, Keras's for this network.
inline constexpr float kMobileNetMomentum = 0.999f;

struct InvertedResidualOptions {
  std::string prefix;    ///< "block_1_"; names are Keras's
  int64_t filters = 16;  ///< output channels
  int stride = 1;
  int expansion = 6;  ///< 1 leaves the expanding convolution out
  PaddingConvention padding = PaddingConvention::tensorflow;
  float epsilon = 1e-3f;  ///< of BatchNorm
};

/// MobileNetV2's block (Sandler et al. 2018): 1x1 convolution to `expansion` times the channels,
/// 3x3 depthwise convolution, 1x1 convolution to `filters` channels, each with BatchNorm, the first
/// two with ReLU6; and the input added where stride is 1 and channels agree. Returns the block's
/// output.
Value inverted_residual(Model& model, Value input, const InvertedResidualOptions& options);

}  // namespace ember
