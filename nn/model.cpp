#include "nn/model.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/max_pool2d.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

namespace ember {
namespace {

constexpr size_t kMostInputs = 2;

ByteTensor state_for(const Layer& layer, const ByteTensor& state, const Shape& out) {
  return state.empty() ? state : state.rows(0, layer.state_bytes(out));
}

}  // namespace

Value Model::add_node(std::unique_ptr<Layer> layer, std::vector<Value> inputs) {
  const Value value = last() + 1;
  EMBER_REQUIRE(!has_layer(layer->name()), "{} has two layers named {}", name_, layer->name());
  EMBER_REQUIRE(inputs.size() <= kMostInputs, "{} reads {} values", layer->name(), inputs.size());
  for (Value input : inputs) {
    EMBER_REQUIRE(input >= kInput && input < value, "{} reads value {} of {}", layer->name(), input,
                  value);
    if (input == kInput) continue;
    Node& node = nodes_[static_cast<size_t>(input)];
    node.readers += 1;
    node.reader = value;
  }
  Node node{.layer = std::move(layer), .inputs = std::move(inputs), .shape = {}};
  node.shape = node.layer->build(input_shapes(node));
  node.layer->move_to(device_);
  nodes_.push_back(std::move(node));
  forget_plans();
  return value;
}

void Model::forget_plans() {
  training_.reset();
  inference_.reset();
  version_ += 1;
}

std::vector<Shape> Model::input_shapes(const Node& node) const {
  std::vector<Shape> shapes;
  for (Value input : node.inputs) {
    shapes.push_back(input == kInput ? Shape{1, image_[0], image_[1], image_[2]}
                                     : output_shape(input));
  }
  return shapes;
}

bool Model::has_layer(std::string_view name) const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [&](const Node& node) { return node.layer->name() == name; });
}

Layer& Model::layer(std::string_view name) {
  const auto found = std::find_if(nodes_.begin(), nodes_.end(),
                                  [&](const Node& node) { return node.layer->name() == name; });
  EMBER_REQUIRE(found != nodes_.end(), "{} has no layer {}", name_, name);
  return *found->layer;
}

void Model::for_each_parameter(const std::function<void(Layer&, Parameter&)>& visit) {
  for (Node& node : nodes_) {
    for (Parameter& parameter : node.layer->parameters()) visit(*node.layer, parameter);
  }
}

void Model::for_each_parameter(
    const std::function<void(const Layer&, const Parameter&)>& visit) const {
  for (const Node& node : nodes_) {
    const Layer& layer = *node.layer;
    for (const Parameter& parameter : layer.parameters()) visit(layer, parameter);
  }
}

int64_t Model::parameter_count() const {
  int64_t count = 0;
  for_each_parameter([&](const Layer&, const Parameter& p) { count += p.value.size(); });
  return count;
}

int64_t Model::trainable_count() const {
  int64_t count = 0;
  for_each_parameter([&](const Layer& layer, const Parameter& p) {
    if (layer.trainable() && p.learned) count += p.value.size();
  });
  return count;
}

void Model::to(Device device) {
  device_ = device;
  forget_plans();
  materialized_ = {};
  images_ = {};
  for (Node& node : nodes_) node.layer->move_to(device);
}

void Model::set_trainable(Value first, Value last, bool trainable) {
  for (Value value = first; value <= last; ++value) layer(value).trainable_ = trainable;
  training_.reset();
  version_ += 1;
}

void Model::use_moving_statistics(bool moving) {
  for (Node& node : nodes_) {
    if (auto* norm = dynamic_cast<BatchNorm*>(node.layer.get()))
      norm->use_moving_statistics(moving);
  }
  version_ += 1;
}

void Model::set_momentum(float momentum) {
  for (Node& node : nodes_) {
    if (auto* norm = dynamic_cast<BatchNorm*>(node.layer.get())) norm->set_momentum(momentum);
  }
  version_ += 1;
}

void Model::initialize(uint64_t seed) {
  uint64_t ordinal = 0;
  for_each_parameter([&](Layer&, Parameter& parameter) {
    const Philox generator(seed, Purpose::weights, ordinal++);
    if (parameter.fan_in == 0) {
      parameter.value.fill(parameter.constant);
      return;
    }
    const auto fans = static_cast<double>(parameter.fan_in + parameter.fan_out);
    const auto limit = static_cast<float>(std::sqrt(6.0 / fans));
    Tensor drawn(parameter.value.shape());
    auto values = drawn.values();
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = (2.0f * generator.uniform(i) - 1.0f) * limit;
    parameter.value.copy_from(drawn);
  });
}

Plan& Model::plan_for(int64_t batch, bool training) {
  std::optional<Plan>& plan = training ? training_ : inference_;
  if (!plan || plan->batch < batch || plan->threads != thread_count()) {
    plan.reset();
    version_ += 1;
    plan = make_plan(nodes_, {1, image_[0], image_[1], image_[2]}, batch, training, thread_count(),
                     device_);
    if (training) {
      for_each_parameter([this](Layer& layer, Parameter& parameter) {
        const bool wanted = layer.trainable() && parameter.learned;
        if (!wanted) parameter.gradient = Tensor();
        if (wanted && parameter.gradient.empty())
          parameter.gradient = Tensor::zeros(parameter.value.shape(), device_);
      });
    }
  }
  return *plan;
}

Pending Model::pending_of(const EpilogueLayers& layers, const Step& step) {
  // BatchNorm and activation compute nothing here: they say what they leave pending.
  Signal signal;
  for (Value value : {layers.norm, layers.activation}) {
    if (value == kInput) continue;
    signal = layer(value).forward({.inputs = {&signal, 1},
                                   .out = {},
                                   .state = {},
                                   .epilogue = {},

                                   .step = step});
  }
  return signal.pending;
}

Epilogue Model::epilogue_of(const EpilogueLayers& layers, const Tensor& images,
                            std::span<const Signal> values, const Tensor& out,
                            const ByteTensor& state, const Step& step) {
  if (layers.pool != kInput) {
    return {
        .pooling =
            dynamic_cast<const MaxPool2D&>(layer(layers.pool)).pooling(state.reshape(out.shape()))};
  }
  Epilogue epilogue{.pending = pending_of(layers, step)};
  if (layers.sum != kInput) {
    epilogue.residual =
        layers.residual == kInput ? images : values[static_cast<size_t>(layers.residual)].raw;
  }
  return epilogue;
}

void Model::pack_weights(Plan& plan, const Step& step) {
  const size_t layers = plan.stages.back().begin;
  parallel_for(static_cast<int64_t>(layers), [&](int64_t task) {
    const size_t i = layers - 1 - static_cast<size_t>(task);  // the last ones have most weights
    const auto* conv = dynamic_cast<const Conv2D*>(nodes_[i].layer.get());
    if (conv == nullptr) return;
    const EpilogueLayers& behind = plan.epilogues[i];
    Epilogue epilogue{.pending = pending_of(behind, step)};
    if (behind.pool != kInput) {
      epilogue.pooling = dynamic_cast<const MaxPool2D&>(layer(behind.pool)).pooling({});
    }
    conv->pack(epilogue, plan.packed[i]);
  });
}

void Model::run_layer(const Plan& plan, size_t index, const Tensor& images,
                      std::span<Signal> values, const Tensor& out, const ByteTensor& state,
                      const Step& step) {
  const Node& node = nodes_[index];
  const auto signal_of = [&](Value value) {
    return value == kInput ? Signal{images, {}} : values[static_cast<size_t>(value)];
  };
  std::array<Signal, kMostInputs> inputs;
  for (size_t k = 0; k < node.inputs.size(); ++k) inputs[k] = signal_of(node.inputs[k]);
  std::optional<Expansion> expansion;
  if (const Value before = plan.expansions[index]; before != kInput) {
    const auto i = static_cast<size_t>(before);
    inputs[0] = signal_of(nodes_[i].inputs[0]);
    expansion = {layer(before).parameter("kernel").value, pending_of(plan.epilogues[i], step),
                 plan.packed[i]};
  }
  const EpilogueLayers& behind = plan.epilogues[index];
  Epilogue epilogue = epilogue_of(behind, images, values, out, state, step);
  std::optional<BatchNormFold> fold;
  if (behind.norm == kInput && node.readers == 1) fold = layer(node.reader).wanted_fold(step);
  epilogue.fold = fold ? &*fold : nullptr;
  values[index] = node.layer->forward({.inputs = {inputs.data(), node.inputs.size()},
                                       .out = out,
                                       .state = state,
                                       .epilogue = epilogue,
                                       .expansion = expansion ? &*expansion : nullptr,
                                       .packed = plan.packed[index],
                                       .step = step});
  for (Value value : {behind.pool, behind.norm, behind.activation, behind.sum}) {
    if (value != kInput) values[static_cast<size_t>(value)] = values[index];
  }
}

void Model::run_stage(Plan& plan, Stage& stage, const Tensor& images, int64_t first, int64_t last,
                      const Step& step) {
  const bool last_stage = stage.lanes.empty();
  Lane& lane = last_stage ? plan.whole : stage.lanes[static_cast<size_t>(omp_get_thread_num())];
  const Tensor pixels = images.rows(first, last);
  if (!last_stage) {
    for (size_t i = 0; i < stage.begin; ++i) {
      const Signal& value = plan.whole.values[i];
      if (!value.raw.empty()) lane.values[i] = {value.raw.rows(first, last), value.pending};
    }
  }
  for (size_t i = stage.begin; i < stage.end; ++i) {
    if (plan.absorbed[i]) continue;
    if (last_stage || plan.threads == 1) observer_(nodes_[i].layer.get(), false);
    Tensor out = lane.slots[i].out;
    if (plan.crosses[i]) {
      out = plan.whole.slots[i].out.rows(first, last);
    } else if (!out.empty()) {
      out = out.rows(0, last - first);
    }
    const size_t keeper = plan.keeper(i);
    const ByteTensor state = state_for(*nodes_[keeper].layer, lane.slots[keeper].state,
                                       nodes_[keeper].shape.with_rows(last - first));
    run_layer(plan, i, pixels, lane.values, out, state, step);
  }
  if (last_stage || first > 0) return;
  // What the images write side by side is seen as one batch, under the same pending transform.
  for (size_t i = stage.begin; i < stage.end; ++i) {
    const Signal& value = lane.values[i];
    const Value root = plan.roots[i];
    Tensor whole;
    if (root == kInput) {
      whole = images;
    } else if (plan.crosses[static_cast<size_t>(root)]) {
      whole = plan.whole.slots[static_cast<size_t>(root)].out.rows(0, images.dim(0));
    }
    if (whole.empty() || value.raw.empty()) continue;
    plan.whole.values[i] = {whole.reshape(value.raw.shape().with_rows(images.dim(0))),
                            value.pending};
  }
}

Tensor Model::forward(const Tensor& images, const Step& step) {
  EMBER_REQUIRE(images.rank() == 4 &&
                    images.shape() == Shape({images.dim(0), image_[0], image_[1], image_[2]}),
                "{} takes images (N, {}, {}, {}), not {}", name_, image_[0], image_[1], image_[2],
                to_string(images.shape()));
  EMBER_REQUIRE(images.device() == device_, "{} is on {}, its images on {}", name_,
                to_string(device_), to_string(images.device()));
  const int64_t batch = images.dim(0);
  Plan& plan = plan_for(batch, step.training);
  images_ = images;
  step_ = step;
  folds_.clear();
  const Layer* folded = nullptr;
  for (const Node& node : nodes_) {
    const auto fold = node.layer->fold_before(step);
    if (!fold) continue;
    folds_.push_back(*fold);
    folded = node.layer.get();
  }
  observer_(folded, false);
  batch_norm_fold(folds_);
  pack_weights(plan, step);

  for (Stage& stage : plan.stages) {
    parallel_for((batch + stage.images - 1) / stage.images, [&](int64_t task) {
      const int64_t first = task * stage.images;
      run_stage(plan, stage, images, first, std::min(first + stage.images, batch), step);
    });
  }

  observer_(nullptr, false);
  const Signal& output = plan.whole.values.back();
  if (output.pending.identity()) return output.raw;
  if (materialized_.empty() || materialized_.dim(0) < batch) {
    materialized_ = Tensor(output.raw.shape(), device_);
  }
  Tensor whole = materialized_.rows(0, batch);
  materialize(output.raw, output.pending, whole);
  return whole;
}

void Model::backward(const Tensor& doutput) {
  EMBER_REQUIRE(training_ && step_.training, "{}: backward follows a forward of a training step",
                name_);
  Plan& plan = *training_;
  const int64_t batch = images_.dim(0);
  EMBER_REQUIRE(doutput.shape() == plan.whole.values.back().raw.shape(),
                "{}: the gradient {} of an output {}", name_, to_string(doutput.shape()),
                to_string(plan.whole.values.back().raw.shape()));
  plan.gradients.back() = {doutput, {}};
  plan.summed.assign(nodes_.size(), false);
  for (size_t i = nodes_.size(); i-- > 0;) {
    if (!plan.needs_gradient[i]) continue;
    const Node& node = nodes_[i];
    std::array<Signal, kMostInputs> inputs;
    std::array<InputGradient, kMostInputs> gradients;
    std::array<std::optional<BatchNormBackward>, kMostInputs> norms;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const Value input = node.inputs[k];
      inputs[k] =
          input == kInput ? Signal{images_, {}} : plan.whole.values[static_cast<size_t>(input)];
      gradients[k] = plan.input_gradients[i][k];
      if (gradients[k].accumulate) {
        // The gradient that another reader has left, which this one adds to.
        Gradient& other = plan.gradients[static_cast<size_t>(input)];
        other.settle();
        gradients[k].buffer = other.dz;
      } else if (!gradients[k].buffer.empty()) {
        gradients[k].buffer = gradients[k].buffer.rows(0, batch);
      }
      if (const auto [norm, value] = plan.norms[i][k]; norm != kInput) {
        const Signal& behind = plan.whole.values[static_cast<size_t>(value)];
        norms[k] = layer(norm).wanted_sums(step_, behind.raw, behind.pending);
        gradients[k].norm = norms[k] ? &*norms[k] : nullptr;
      }
    }
    observer_(node.layer.get(), true);
    node.layer->backward(
        {.inputs = {inputs.data(), node.inputs.size()},
         .output = plan.whole.values[i],
         .state = state_for(*node.layer, plan.whole.slots[i].state, node.shape.with_rows(batch)),
         .gradient = plan.gradients[i],
         .summed = plan.summed[i],
         .inputs_gradient = {gradients.data(), node.inputs.size()},
         .step = step_});
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      if (!gradients[k].wanted) continue;
      plan.gradients[static_cast<size_t>(node.inputs[k])] = gradients[k].result;
      if (gradients[k].summed) plan.summed[static_cast<size_t>(plan.norms[i][k].norm)] = true;
    }
  }
  observer_(nullptr, true);
}

std::vector<LayerRow> Model::summary() const {
  const auto sample = [](const Shape& shape) {
    return shape.rank() == 4 ? Shape{shape[1], shape[2], shape[3]} : Shape{shape[1]};
  };
  std::vector<LayerRow> rows{
      {.name = "input_layer", .type = "InputLayer", .output_shape = image_, .inputs = {}}};
  for (const Node& node : nodes_) {
    const Layer& layer = *node.layer;
    LayerRow row{.name = layer.name(),
                 .type = std::string(layer.type()),
                 .output_shape = sample(node.shape),
                 .macs = layer.macs(input_shapes(node), node.shape),
                 .kernels = std::string(layer.kernels()),
                 .inputs = {}};
    for (const Parameter& parameter : layer.parameters()) {
      row.params += parameter.value.size();
      if (layer.trainable() && parameter.learned) row.trainable_params += parameter.value.size();
    }
    for (Value input : node.inputs)
      row.inputs.push_back(input == kInput ? "input_layer" : this->layer(input).name());
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace ember
