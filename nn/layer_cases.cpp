#include "nn/layer_cases.h"

#include <algorithm>
#include <map>

#include "nn/baseline_cnn.h"
#include "nn/conv2d.h"
#include "nn/depthwise_conv2d.h"
#include "nn/max_pool2d.h"
#include "nn/mobilenet_v2.h"

namespace ember {
namespace {

constexpr int64_t kClasses = 3;

Shape batch_of(int64_t batch, const Shape& sample) {
  std::vector<int64_t> dims{batch};
  dims.insert(dims.end(), sample.begin(), sample.end());
  return Shape(dims);
}

Window window_of(const Layer& layer) {
  if (const auto* plain = dynamic_cast<const Conv2D*>(&layer)) return plain->window();
  if (const auto* depthwise = dynamic_cast<const DepthwiseConv2D*>(&layer)) {
    return depthwise->window();
  }
  if (const auto* pool = dynamic_cast<const MaxPool2D*>(&layer)) return pool->window();
  return {};
}

bool alike(const LayerCase& a, const LayerCase& b) {
  return a.x == b.x && a.y == b.y && a.weight == b.weight && a.bias == b.bias &&
         a.window == b.window;
}

std::vector<LayerCase> cases_of(Model& model, std::string_view type, int64_t batch) {
  std::vector<LayerCase> cases;
  std::map<std::string, Shape> outputs;
  for (const LayerRow& row : model.summary()) {
    outputs[row.name] = row.output_shape;
    if (row.type != type) continue;
    const Layer& layer = model.layer(row.name);
    LayerCase found{.name = model.name() + "/" + row.name,
                    .x = batch_of(batch, outputs.at(row.inputs.at(0))),
                    .y = batch_of(batch, row.output_shape),
                    .window = window_of(layer)};
    for (const Parameter& parameter : layer.parameters()) {
      if (parameter.variable == "kernel") found.weight = parameter.value.shape();
      if (parameter.variable == "bias") found.bias = true;
    }
    const auto same = std::find_if(cases.begin(), cases.end(),
                                   [&](const LayerCase& other) { return alike(other, found); });
    if (same == cases.end()) {
      cases.push_back(found);
    } else {
      ++same->layers;
    }
  }
  return cases;
}

}  // namespace

std::vector<LayerCase> layer_cases(std::string_view type, int64_t batch, int64_t image_size) {
  Model baseline = baseline_cnn(image_size, kClasses);
  Model mobilenet = mobilenet_v2({.image_size = image_size}, kClasses);
  std::vector<LayerCase> cases = cases_of(baseline, type, batch);
  const std::vector<LayerCase> others = cases_of(mobilenet, type, batch);
  cases.insert(cases.end(), others.begin(), others.end());
  return cases;
}

}  // namespace ember
