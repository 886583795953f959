#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/shape.h"

namespace ember {

/// One layer of a model, as the layer table shows it.
struct LayerRow {
  std::string name;                 ///< "block_1_expand"
  std::string type;                 ///< "Conv2D"
  Shape output_shape;               ///< of one sample: (H, W, C) or (C)
  int64_t params = 0;               ///< elements of all its variables, moving statistics included
  int64_t trainable_params = 0;     ///< of these, the ones that the optimizer changes
  int64_t macs = 0;                 ///< multiply-adds of one sample's forward pass
  std::string kernels{};            ///< whose kernels compute it, where there is a choice
  std::vector<std::string> inputs;  ///< names of the layers it reads; none for the input layer
};

/// The layer table as Keras prints it, with multiply-adds and whether a layer trains (Y, N, or -
/// for one without variables). `Kernels` stands there when a layer has some to choose from, and
/// `Connected to` when the model is no chain. Long names
/// are shortened in the middle.
std::string format_summary(const std::string& model, std::span<const LayerRow> rows);

}  // namespace ember
