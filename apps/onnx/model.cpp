#include "apps/onnx/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/onnx/graph.h"
#include "apps/onnx/layers.h"
#include "data/scaling.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/depthwise_conv2d.h"

namespace ember {
namespace {

constexpr int kIrVersion = 8;
constexpr int kOpset = 17;
constexpr const char* kImages = "images";

bool is_linear_convolution(const Layer& layer) {
  const auto* conv = dynamic_cast<const Conv2D*>(&layer);
  return conv != nullptr ? conv->activation() == Activation::linear
                         : dynamic_cast<const DepthwiseConv2D*>(&layer) != nullptr;
}

/// [layer]: the BatchNorm that becomes part of this convolution, being all that reads it; or null.
using Folds = std::vector<const BatchNorm*>;

Folds folds_of(std::span<const Node> nodes, BatchNormForm form) {
  Folds folds(nodes.size());
  if (form == BatchNormForm::kept) return folds;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!is_linear_convolution(*nodes[i].layer) || nodes[i].readers != 1) continue;
    folds[i] =
        dynamic_cast<const BatchNorm*>(nodes[static_cast<size_t>(nodes[i].reader)].layer.get());
  }
  return folds;
}

/// Adds the nodes of all layers; returns the name of the last one's output.
std::string add_layers(onnx::GraphProto& graph, std::span<const Node> nodes, const Folds& folds) {
  std::vector<std::string> outputs;
  for (const Node& node : nodes) {
    std::vector<std::string> inputs;
    bool folded = false;
    for (Value input : node.inputs) {
      inputs.push_back(input == kInput ? kImages : outputs[static_cast<size_t>(input)]);
      folded |= input != kInput && folds[static_cast<size_t>(input)] == node.layer.get();
    }
    outputs.push_back(folded ? inputs[0]
                             : add_layer(graph, {.layer = *node.layer,
                                                 .inputs = inputs,
                                                 .norm = folds[outputs.size()]}));
  }
  return outputs.back();
}

/// (.., C) as (C, ..).
std::vector<int64_t> channels_first(std::vector<int64_t> dims) {
  std::rotate(dims.begin(), dims.end() - 1, dims.end());
  return dims;
}

/// What a converter back must know of the BatchNorms that are gone.
std::string to_json(std::span<const Node> nodes, const Folds& folds) {
  auto json = nlohmann::ordered_json::object();
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (folds[i] == nullptr) continue;
    json[folds[i]->name()] = {{"convolution", nodes[i].layer->name()},
                              {"bias", nodes[i].layer->parameters().size() > 1},
                              {"epsilon", folds[i]->epsilon()}};
  }
  return json.dump();
}

/// How a photo, or a face in it, becomes the input.
std::map<std::string, std::string> preprocessing_of(const ModelDescription& description) {
  const ExactScaling scaling = exact_scaling_of(parse_scale(description.scale));
  const auto of_bytes = [&](std::array<double, 3> values) {
    for (double& value : values) value *= scaling.divisor;
    return fmt::format("[{:.10g}]", fmt::join(values, ","));
  };
  const std::string side = fmt::format("{}", description.image_size);
  const std::string bilinear = "bilinear, as OpenCV's INTER_LINEAR, whatever the aspect ratio";
  std::map<std::string, std::string> metadata{
      {"input.colors", "RGB"},
      {"input.layout", "NCHW"},
      {"input.height", side},
      {"input.width", side},
      {"input.resize", bilinear},
      {"input.mean", of_bytes(scaling.mean)},
      {"input.std", of_bytes(scaling.std)},
  };
  if (description.margin) {
    metadata["input.margin"] = fmt::format("{}", *description.margin);
    metadata["input.crop"] =
        "a square about each face: as wide as the longer side of its box and input.margin per cent "
        "of that at either end, no wider than the photo's shorter side, moved into the photo";
    metadata["input.resize"] =
        "halved, by means of 2x2 pixels, while more than twice as wide as the input; then " +
        bilinear;
  }
  return metadata;
}

}  // namespace

onnx::ModelProto onnx_model(const Model& model, const ModelDescription& description,
                            BatchNormForm form) {
  const std::span<const Node> nodes = model.nodes();
  const Folds folds = folds_of(nodes, form);
  onnx::ModelProto result;
  result.set_ir_version(kIrVersion);
  result.set_producer_name("Ember");
  result.set_producer_version(EMBER_VERSION);
  result.set_doc_string(
      fmt::format("{} for images of {}x{} pixels; the metadata say how to make "
                  "an input",
                  model.name(), model.image()[0], model.image()[1]));
  onnx::OperatorSetIdProto& operators = *result.add_opset_import();
  operators.set_domain("");
  operators.set_version(kOpset);

  onnx::GraphProto& graph = *result.mutable_graph();
  graph.set_name(model.name());
  const Shape& image = model.image();
  describe(*graph.add_input(), kImages, channels_first({image.begin(), image.end()}));
  const std::string last = add_layers(graph, nodes, folds);
  const Shape& shape = nodes.back().shape;
  const std::vector<int64_t> dims = channels_first({shape.begin() + 1, shape.end()});
  const std::string output = description.classes.empty() ? "features" : "logits";
  rename(graph, last, output);
  describe(*graph.add_output(), output, dims);
  if (!description.classes.empty()) {
    onnx::NodeProto& softmax = add_node(graph, "Softmax", "probabilities", {output});
    softmax.set_output(0, softmax.name());
    set_attribute(softmax, "axis", int64_t{-1});
    describe(*graph.add_output(), softmax.name(), dims);
  }

  const auto add_metadata = [&](const std::string& key, const std::string& value) {
    onnx::StringStringEntryProto& entry = *result.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  };
  for (const auto& [key, value] : preprocessing_of(description)) add_metadata(key, value);
  if (!description.classes.empty()) {
    add_metadata("classes", nlohmann::json(description.classes).dump());
  }
  for (const auto& [key, value] : metadata_of(description)) add_metadata("ember." + key, value);
  add_metadata("ember.batch_norm", form == BatchNormForm::folded ? "folded" : "kept");
  add_metadata("ember.folded", to_json(nodes, folds));
  return result;
}

}  // namespace ember
