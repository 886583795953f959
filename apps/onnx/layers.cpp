#include "apps/onnx/layers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "apps/onnx/graph.h"
#include "nn/conv2d.h"
#include "nn/dense.h"
#include "nn/depthwise_conv2d.h"
#include "nn/max_pool2d.h"
#include "nn/relu.h"

namespace ember {
namespace {

using Dims = std::vector<int64_t>;

/// A parameter in the layout that it has.
std::string add_parameter(onnx::GraphProto& graph, const Layer& layer, size_t index) {
  const Parameter& parameter = layer.parameters()[index];
  const Shape& shape = parameter.value.shape();
  return add_initializer(graph, name_of(layer, parameter), {shape.begin(), shape.end()},
                         parameter.value.values());
}

/// The activation that a layer ends with itself.
std::string activated(onnx::GraphProto& graph, const Layer& layer, Activation activation,
                      const std::string& value) {
  switch (activation) {
    case Activation::relu:
      return add_node(graph, "Relu", layer.name() + "/relu", {value}).output(0);
    case Activation::linear:
      break;
  }
  return value;
}

/// A convolution's weights, in double until they are whole.
struct Weights {
  Dims dims;                   ///< (channels, inputs / groups, height, width)
  std::vector<double> kernel;  ///< of these dimensions
  std::vector<double> bias;    ///< of each channel; empty for none
};

/// (rows, pixels, channels) to (rows, channels, pixels).
std::vector<double> channels_first(std::span<const float> x, int64_t rows, int64_t channels) {
  const int64_t pixels = static_cast<int64_t>(x.size()) / (rows * channels);
  std::vector<double> result;
  result.reserve(x.size());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t channel = 0; channel < channels; ++channel) {
      for (int64_t pixel = 0; pixel < pixels; ++pixel) {
        result.push_back(x[(row * pixels + pixel) * channels + channel]);
      }
    }
  }
  return result;
}

/// With its moving statistics a BatchNorm scales and shifts each channel, which the convolution
/// before it does as well: scale = gamma / sqrt(variance + epsilon), kernel = kernel * scale,
/// bias = beta + (bias - mean) * scale.
void fold(const BatchNorm& norm, Weights& weights) {
  const auto values = [&](size_t index) { return norm.parameters()[index].value.values(); };
  const auto gamma = values(0), beta = values(1), mean = values(2), variance = values(3);
  const size_t taps = weights.kernel.size() / gamma.size();
  weights.bias.resize(gamma.size());
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double scale = gamma[c] / std::sqrt(double{variance[c]} + norm.epsilon());
    for (size_t tap = 0; tap < taps; ++tap) weights.kernel[c * taps + tap] *= scale;
    weights.bias[c] = beta[c] + (weights.bias[c] - mean[c]) * scale;
  }
}

onnx::NodeProto& add_convolution(onnx::GraphProto& graph, const PlacedLayer& placed,
                                 Weights weights, const Window& window) {
  if (placed.norm != nullptr) fold(*placed.norm, weights);
  const std::string& name = placed.layer.name();
  const auto rounded = [](const std::vector<double>& x) {
    return std::vector<float>(x.begin(), x.end());
  };
  std::vector<std::string> inputs = placed.inputs;
  inputs.push_back(add_initializer(graph, name + "/kernel", weights.dims, rounded(weights.kernel)));
  if (!weights.bias.empty()) {
    inputs.push_back(
        add_initializer(graph, name + "/bias", Dims{weights.dims[0]}, rounded(weights.bias)));
  }
  onnx::NodeProto& node = add_node(graph, "Conv", name, inputs);
  const Padding& padding = window.padding;
  set_attribute(node, "kernel_shape", Dims{weights.dims[2], weights.dims[3]});
  set_attribute(node, "strides", Dims{window.stride_h, window.stride_w});
  set_attribute(node, "pads", Dims{padding.top, padding.left, padding.bottom, padding.right});
  return node;
}

std::string add_conv2d(onnx::GraphProto& graph, const PlacedLayer& placed) {
  const auto& layer = dynamic_cast<const Conv2D&>(placed.layer);
  const Tensor& kernel = layer.parameters()[0].value;  // (O, H, W, I)
  Weights weights{.dims = {kernel.dim(0), kernel.dim(3), kernel.dim(1), kernel.dim(2)},
                  .kernel = channels_first(kernel.values(), kernel.dim(0), kernel.dim(3)),
                  .bias = {}};
  if (layer.parameters().size() > 1) {
    const auto bias = layer.parameters()[1].value.values();
    weights.bias.assign(bias.begin(), bias.end());
  }
  const auto& node = add_convolution(graph, placed, std::move(weights), layer.window());
  return activated(graph, layer, layer.activation(), node.output(0));
}

std::string add_depthwise_conv2d(onnx::GraphProto& graph, const PlacedLayer& placed) {
  const auto& layer = dynamic_cast<const DepthwiseConv2D&>(placed.layer);
  const Tensor& kernel = layer.parameters()[0].value;  // (H, W, C)
  onnx::NodeProto& node =
      add_convolution(graph, placed,
                      {.dims = {kernel.dim(2), 1, kernel.dim(0), kernel.dim(1)},
                       .kernel = channels_first(kernel.values(), 1, kernel.dim(2)),
                       .bias = {}},
                      layer.window());
  set_attribute(node, "group", kernel.dim(2));  // a Conv2D's node has none
  return node.output(0);
}

std::string add_batch_norm(onnx::GraphProto& graph, const PlacedLayer& placed) {
  const auto& layer = dynamic_cast<const BatchNorm&>(placed.layer);
  std::vector<std::string> inputs = placed.inputs;
  for (size_t i = 0; i < layer.parameters().size(); ++i) {  // in ONNX's order
    inputs.push_back(add_parameter(graph, layer, i));
  }
  onnx::NodeProto& node = add_node(graph, "BatchNormalization", layer.name(), inputs);
  set_attribute(node, "epsilon", layer.epsilon());
  return node.output(0);
}

std::string add_relu(onnx::GraphProto& graph, const PlacedLayer& placed) {
  const auto& layer = dynamic_cast<const ReLU&>(placed.layer);
  if (std::isinf(layer.upper())) {
    return add_node(graph, "Relu", layer.name(), placed.inputs).output(0);
  }
  const auto constant = [&](const char* name, float value) {
    onnx::NodeProto& node = add_node(graph, "Constant", layer.name() + name, {});
    set_attribute(node, "value_float", value);
    return node.output(0);
  };
  const std::string lower = constant("/lower", 0.0f);
  const std::string upper = constant("/upper", layer.upper());
  return add_node(graph, "Clip", layer.name(), {placed.inputs[0], lower, upper}).output(0);
}

std::string add_sum(onnx::GraphProto& graph, const PlacedLayer& placed) {
  return add_node(graph, "Add", placed.layer.name(), placed.inputs).output(0);
}

std::string add_max_pool2d(onnx::GraphProto& graph, const PlacedLayer& placed) {
  const Window window = dynamic_cast<const MaxPool2D&>(placed.layer).window();
  const Dims size{window.stride_h, window.stride_w};  // windows do not overlap
  onnx::NodeProto& node = add_node(graph, "MaxPool", placed.layer.name(), placed.inputs);
  set_attribute(node, "kernel_shape", size);
  set_attribute(node, "strides", size);
  return node.output(0);
}

std::string add_global_average_pool(onnx::GraphProto& graph, const PlacedLayer& placed) {
  const std::string& name = placed.layer.name();
  const auto& pool = add_node(graph, "GlobalAveragePool", name, placed.inputs);
  return add_node(graph, "Flatten", name + "/flatten", {pool.output(0)}).output(0);
}

/// A dense layer behind it has its weights in the order of NHWC.
std::string add_flatten(onnx::GraphProto& graph, const PlacedLayer& placed) {
  const std::string& name = placed.layer.name();
  onnx::NodeProto& transpose = add_node(graph, "Transpose", name + "/nhwc", placed.inputs);
  set_attribute(transpose, "perm", Dims{0, 2, 3, 1});
  return add_node(graph, "Flatten", name, {transpose.output(0)}).output(0);
}

std::string add_dense(onnx::GraphProto& graph, const PlacedLayer& placed) {
  const auto& layer = dynamic_cast<const Dense&>(placed.layer);
  const std::string kernel = add_parameter(graph, layer, 0);
  const std::string bias = add_parameter(graph, layer, 1);
  onnx::NodeProto& node = add_node(graph, "Gemm", layer.name(), {placed.inputs[0], kernel, bias});
  set_attribute(node, "transB", int64_t{1});
  return activated(graph, layer, layer.activation(), node.output(0));
}

/// Dropout does nothing in inference.
std::string pass_through(onnx::GraphProto&, const PlacedLayer& placed) { return placed.inputs[0]; }

using Writer = std::string (*)(onnx::GraphProto&, const PlacedLayer&);

/// By Layer::type().
constexpr std::array<std::pair<std::string_view, Writer>, 10> kWriters{{
    {"Add", add_sum},
    {"BatchNormalization", add_batch_norm},
    {"Conv2D", add_conv2d},
    {"Dense", add_dense},
    {"DepthwiseConv2D", add_depthwise_conv2d},
    {"Dropout", pass_through},
    {"Flatten", add_flatten},
    {"GlobalAveragePooling2D", add_global_average_pool},
    {"MaxPooling2D", add_max_pool2d},
    {"ReLU", add_relu},
}};

}  // namespace

std::string add_layer(onnx::GraphProto& graph, const PlacedLayer& placed) {
  const auto* const found = std::find_if(kWriters.begin(), kWriters.end(), [&](const auto& writer) {
    return writer.first == placed.layer.type();
  });
  EMBER_REQUIRE(found != kWriters.end(), "{}: a {} has no counterpart in apps/onnx/layers.cpp",
                placed.layer.name(), placed.layer.type());
  return found->second(graph, placed);
}

}  // namespace ember
