#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/model.h"

namespace ember {

/// The operations and the fewest bytes of device memory that one layer takes in a training step,
/// for a whole batch.
///
/// Forward reads the input and the parameters once and writes the output once. Backward reads the
/// output's gradient, the output where an activation function or BatchNorm left something pending
/// on it, and the input where a weight gradient needs it; it writes the gradients of the input and
/// of the parameters, adding to the input's where another layer has left one there. What only
/// passes through (BatchNorm, ReLU) rides with its neighbours and takes its parameters alone.
///
/// That takes one pass for the gradients of weights and input. Where they are operations of their
/// own, as on a GPU, the second one reads again what both need.
struct LayerFloor {
  std::string name;
  std::string type;    ///< "Conv2D"
  Shape output_shape;  ///< of one image
  int64_t params = 0;
  double forward_flop = 0;  ///< a multiply-add is 2
  double backward_flop = 0;
  int64_t forward_bytes = 0;
  int64_t backward_bytes = 0;
  int64_t again_bytes = 0;  ///< read besides by a backward pass in two operations
  int64_t written = 0;      ///< output elements that reach memory
};
std::vector<LayerFloor> layer_floors(Model& model, int64_t batch);

/// Adam reads a parameter, its gradient and its two moments, and writes all but the gradient.
inline constexpr int64_t kAdamBytes = 28;

}  // namespace ember
