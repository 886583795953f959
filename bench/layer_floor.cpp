#include "bench/layer_floor.h"

#include <algorithm>
#include <map>

#include "nn/add.h"
#include "nn/batch_norm.h"
#include "nn/max_pool2d.h"

namespace ember {
namespace {

constexpr int64_t kFloat = sizeof(float);

/// The model's graph, as far as its layer table tells it.
class Graph {
 public:
  explicit Graph(Model& model) : model_(model) {
    const auto rows = model.summary();  // row 0 is the images
    std::map<std::string, Value> values;
    for (size_t row = 0; row < rows.size(); ++row) {
      values[rows[row].name] = static_cast<Value>(row) - 1;
      if (row == 0) continue;
      macs_.push_back(rows[row].macs);
      inputs_.emplace_back();
      for (const std::string& input : rows[row].inputs) inputs_.back().push_back(values.at(input));
    }
    for (Value value = 0; value < count(); ++value) {
      const auto& in = inputs(value);
      needs_gradient_.push_back(
          layer(value).learns() ||
          std::any_of(in.begin(), in.end(), [&](Value input) { return needs_gradient(input); }));
    }
  }

  Value count() const { return static_cast<Value>(inputs_.size()); }
  const Layer& layer(Value value) const { return model_.layer(static_cast<int64_t>(value)); }
  const std::vector<Value>& inputs(Value value) const {
    return inputs_[static_cast<size_t>(value)];
  }
  int64_t macs(Value value) const { return macs_[static_cast<size_t>(value)]; }
  bool needs_gradient(Value value) const {
    return value != kInput && needs_gradient_[static_cast<size_t>(value)];
  }
  /// Whether the sum that a layer is can be the epilogue of the convolution before it: where that
  /// one's own output is not needed. Then only the other addend is read besides.
  bool rides(Value value) const {
    return dynamic_cast<const Add*>(&layer(value)) != nullptr && !needs_gradient(value);
  }
  /// Elements of one image.
  int64_t size(Value value) const {
    return value == kInput ? model_.image().size() : model_.output_shape(value).size();
  }

  /// Whether backward of a layer needs its output: for its own activation function or for what
  /// layers that pass it through have left pending.
  bool output_needed(Value value) const {
    if (layer(value).backward_reads_output()) return true;
    for (Value reader = value + 1; reader < count(); ++reader) {
      const auto& in = inputs(reader);
      if (std::find(in.begin(), in.end(), value) == in.end()) continue;
      if (layer(reader).passes_through() &&
          (layer(reader).backward_reads_input() || output_needed(reader))) {
        return true;
      }
    }
    return false;
  }

  /// Whether a layer behind this one has left a gradient of `input` already.
  bool accumulates(Value value, Value input) const {
    for (Value later = value + 1; later < count(); ++later) {
      const auto& in = inputs(later);
      if (std::find(in.begin(), in.end(), input) != in.end()) return true;
    }
    return false;
  }

 private:
  Model& model_;
  std::vector<std::vector<Value>> inputs_;
  std::vector<int64_t> macs_;
  std::vector<bool> needs_gradient_;
};

int64_t parameter_bytes(const Layer& layer, bool learned_only) {
  int64_t elements = 0;
  for (const Parameter& parameter : layer.parameters()) {
    if (parameter.learned || !learned_only) elements += parameter.value.size();
  }
  return kFloat * elements;
}

int64_t forward_bytes(const Graph& graph, Value value, int64_t batch) {
  const Layer& layer = graph.layer(value);
  const int64_t parameters = parameter_bytes(layer, false);
  if (layer.passes_through()) return parameters;
  int64_t elements = graph.size(value);
  if (const auto* pool = dynamic_cast<const MaxPool2D*>(&layer)) {
    // Rows and columns that fill no window are not read.
    elements += graph.size(value) * pool->window().stride_h * pool->window().stride_w;
  } else if (!graph.rides(value)) {
    for (Value input : graph.inputs(value)) elements += graph.size(input);
  }
  const int64_t state = layer.state_bytes(Shape{graph.size(value)});
  return parameters + batch * (kFloat * elements + state);
}

int64_t backward_bytes(const Graph& graph, Value value, int64_t batch) {
  const Layer& layer = graph.layer(value);
  if (!graph.needs_gradient(value)) return 0;
  int64_t bytes = layer.learns() ? parameter_bytes(layer, true) : 0;
  if (layer.hands_gradient_through()) return bytes;
  int64_t elements = graph.size(value) * (graph.output_needed(value) ? 2 : 1);
  for (Value input : graph.inputs(value)) {
    if (layer.backward_reads_input()) elements += graph.size(input);
    if (!graph.needs_gradient(input)) continue;
    elements += graph.size(input) * (graph.accumulates(value, input) ? 2 : 1);
    bytes += parameter_bytes(layer, true);
  }
  const int64_t state = layer.state_bytes(Shape{graph.size(value)});
  return bytes + batch * (kFloat * elements + state);
}

/// Whether whoever writes the gradient of `value` gathers a BatchNorm's sums over it.
bool summed(const Graph& graph, Value value) {
  if (!graph.needs_gradient(value) || !graph.layer(value).hands_gradient_through()) return false;
  if (dynamic_cast<const BatchNorm*>(&graph.layer(value)) != nullptr) return true;
  const auto& in = graph.inputs(value);
  return std::any_of(in.begin(), in.end(), [&](Value input) { return summed(graph, input); });
}

int64_t again_bytes(const Graph& graph, Value value, int64_t batch) {
  const Layer& layer = graph.layer(value);
  if (!layer.learns() || layer.hands_gradient_through()) return 0;
  int64_t elements = 0;
  for (Value input : graph.inputs(value)) {
    if (!graph.needs_gradient(input)) continue;
    elements += graph.size(value) * (graph.output_needed(value) ? 2 : 1);
    if (summed(graph, input)) elements += graph.size(input);
  }
  return batch * kFloat * elements;
}

double backward_flop(const Graph& graph, Value value, int64_t batch) {
  if (!graph.needs_gradient(value)) return 0;
  const auto& inputs = graph.inputs(value);
  const auto products = (graph.layer(value).learns() ? 1 : 0) +
                        std::count_if(inputs.begin(), inputs.end(),
                                      [&](Value input) { return graph.needs_gradient(input); });
  return 2.0 * static_cast<double>(products * batch * graph.macs(value));
}

}  // namespace

std::vector<LayerFloor> layer_floors(Model& model, int64_t batch) {
  const Graph graph(model);
  const auto rows = model.summary();
  std::vector<LayerFloor> floors;
  for (Value value = 0; value < graph.count(); ++value) {
    const LayerRow& row = rows[static_cast<size_t>(value) + 1];
    floors.push_back(
        {.name = row.name,
         .type = row.type,
         .output_shape = row.output_shape,
         .params = row.params,
         .forward_flop = 2.0 * static_cast<double>(batch * row.macs),
         .backward_flop = backward_flop(graph, value, batch),
         .forward_bytes = forward_bytes(graph, value, batch),
         .backward_bytes = backward_bytes(graph, value, batch),
         .again_bytes = again_bytes(graph, value, batch),
         .written = graph.layer(value).passes_through() ? 0 : batch * graph.size(value)});
  }
  return floors;
}

}  // namespace ember
