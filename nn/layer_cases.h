#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/window.h"
#include "tensor/shape.h"

namespace ember {

/// What a layer asks of its kernels, batch included.
struct LayerCase {
  std::string name;  ///< "mobilenet_v2/block_1_expand": the first such layer
  Shape x;           ///< the input, or the first of two alike
  Shape y;
  int layers = 1;      ///< of the model that ask for the same
  Shape weight{};      ///< of rank 0 in a layer without
  bool bias = false;   ///< of a convolution or a dense layer
  Window window = {};  ///< of a convolution or a pooling
};

/// The layers of a type ("Conv2D" and so on, as in the layer table) in both models of the study,
/// each different one once. The benchmarks time these, cuDNN's planner is tried on them, and the
/// tests of an operation run them beside shapes of their own, on few or small images.
std::vector<LayerCase> layer_cases(std::string_view type, int64_t batch, int64_t image_size = 128);

}  // namespace ember
