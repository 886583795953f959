#pragma once

#include "nn/inverted_residual.h"
#include "nn/model.h"

namespace ember {

struct MobileNetV2Options {
  int64_t image_size = 128;       ///< side in pixels, a multiple of 32
  double width_multiplier = 1.0;  ///< scales the channels, rounded to multiples of 8
  PaddingConvention padding = PaddingConvention::tensorflow;
  float epsilon = 1e-3f;  ///< of BatchNorm: Keras 1e-3, torchvision 1e-5
};

/// MobileNetV2 without its classifier (Sandler et al. 2018), with Keras's layer names: images (N,
/// S, S, 3) to the feature map (N, S/32, S/32, 1280).
Model mobilenet_v2_base(const MobileNetV2Options& options);

/// The study's transfer model: the base, global average pooling, dense 128 with ReLU, dropout,
/// dense `classes`. The output is the logits.
Model mobilenet_v2(const MobileNetV2Options& options, int64_t classes, float dropout = 0.5f);

/// The last layer that belongs to the base in either of these models.
Value base_end(Model& model);

}  // namespace ember
