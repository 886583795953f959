#pragma once

#include "nn/model.h"

namespace ember {

struct ResNet10Options {
  int64_t image_size = 128;       ///< side in pixels, at least 16
  double width_multiplier = 1.0;  ///< scales the channels, rounded to multiples of 8
};

/// A small residual network (He et al. 2016), for training from random weights: a 3x3 convolution
/// to 16 channels at stride 2; four blocks of 16, 32, 64 and 128 channels, all but the first at
/// stride 2, of two 3x3 convolutions each, around which the input is added, through a 1x1
/// convolution where its shape differs; global average pooling, dropout, dense `classes`. Each
/// convolution has a BatchNorm. Images are (N, S, S, 3), the output is the logits.
Model resnet10(const ResNet10Options& options, int64_t classes, float dropout = 0.2f);

}  // namespace ember
