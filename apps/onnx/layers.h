#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "nn/batch_norm.h"
#include "nn/layer.h"

namespace ember {

/// A layer on its way into an ONNX graph.
struct PlacedLayer {
  const Layer& layer;
  std::vector<std::string> inputs;  ///< names of the values that it reads
  const BatchNorm* norm = nullptr;  ///< folded into this convolution; null for none
};

/// Adds the nodes and tensors that compute a layer in inference, in ONNX's layouts: activations
/// NCHW, kernels OIHW. Nodes carry the layer's name, tensors the parameters', `layer/variable`.
/// Returns the name of the layer's output. Throws for a layer that has no counterpart.
std::string add_layer(onnx::GraphProto& graph, const PlacedLayer& placed);

}  // namespace ember
