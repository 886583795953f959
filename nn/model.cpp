#include "nn/model.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "nn/batch_norm.h"
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
    plan = make_plan(nodes_, batch, training, thread_count(), device_);
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

Epilogue Model::epilogue_of(const EpilogueLayers& layers, const Tensor& images,
                            std::span<const Signal> values, const Tensor& out,
                            const ByteTensor& state, const Step& step) {
  if (layers.pool != kInput) {
    return {
        .pooling =
            dynamic_cast<const MaxPool2D&>(layer(layers.pool)).pooling(state.reshape(out.shape()))};
  }
  // BatchNorm and activation compute nothing here: they say what they leave pending.
  Signal signal{out, {}};
  for (Value value : {layers.norm, layers.activation}) {
    if (value == kInput) continue;
    signal = layer(value).forward(
        {.inputs = {&signal, 1}, .out = {}, .state = {}, .epilogue = {}, .step = step});
  }
  Epilogue epilogue{.pending = signal.pending};
  if (layers.sum != kInput) {
    epilogue.residual =
        layers.residual == kInput ? images : values[static_cast<size_t>(layers.residual)].raw;
  }
  return epilogue;
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
    expansion = {layer(before).parameter("kernel").value,
                 epilogue_of(plan.epilogues[i], images, values, {}, {}, step).pending};
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
                                       .step = step});
  for (Value value : {behind.pool, behind.norm, behind.activation, behind.sum}) {
    if (value != kInput) values[static_cast<size_t>(value)] = values[index];
  }
}

void Model::run_image(Plan& plan, const Tensor& images, int64_t image, const Step& step) {
  const auto thread = static_cast<size_t>(omp_get_thread_num());
  if (image == 0) plan.first_image_thread = thread;
  auto& values = plan.image_values[thread];
  const Tensor pixels = images.rows(image, image + 1);
  for (size_t i = 0; i < plan.image_end; ++i) {
    if (plan.absorbed[i]) continue;
    if (plan.threads == 1) observer_(nodes_[i].layer.get(), false);
    const Slot& slot = plan.image_slots[thread][i];
    const Tensor out = plan.crosses[i] ? plan.slots[i].out.rows(image, image + 1) : slot.out;
    run_layer(plan, i, pixels, values, out, plan.image_slots[thread][plan.keeper(i)].state, step);
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

  parallel_tasks(plan.image_end == 0 ? 0 : batch,
                 [&](int64_t image) { run_image(plan, images, image, step); });
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    if (i >= plan.image_end) {
      if (plan.absorbed[i]) continue;
      observer_(node.layer.get(), false);
      const Slot& slot = plan.slots[i];
      const Tensor out = slot.out.empty() ? slot.out : slot.out.rows(0, batch);
      const size_t keeper = plan.keeper(i);
      const ByteTensor state = state_for(*nodes_[keeper].layer, plan.slots[keeper].state,
                                         nodes_[keeper].shape.with_rows(batch));
      run_layer(plan, i, images, plan.values, out, state, step);
      continue;
    }
    // What the images have written side by side is seen as one batch, under the same pending
    // transform.
    const Value root = plan.roots[i];
    Tensor whole;
    if (root == kInput) {
      whole = images;
    } else if (plan.crosses[static_cast<size_t>(root)]) {
      whole = plan.slots[static_cast<size_t>(root)].out.rows(0, batch);
    }
    plan.values[i] = {whole, plan.image_values[plan.first_image_thread][i].pending};
  }

  observer_(nullptr, false);
  const Signal& output = plan.values.back();
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
  EMBER_REQUIRE(doutput.shape() == plan.values.back().raw.shape(),
                "{}: the gradient {} of an output {}", name_, to_string(doutput.shape()),
                to_string(plan.values.back().raw.shape()));
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
      inputs[k] = input == kInput ? Signal{images_, {}} : plan.values[static_cast<size_t>(input)];
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
        const Signal& behind = plan.values[static_cast<size_t>(value)];
        norms[k] = layer(norm).wanted_sums(step_, behind.raw, behind.pending);
        gradients[k].norm = norms[k] ? &*norms[k] : nullptr;
      }
    }
    observer_(node.layer.get(), true);
    node.layer->backward(
        {.inputs = {inputs.data(), node.inputs.size()},
         .output = plan.values[i],
         .state = state_for(*node.layer, plan.slots[i].state, node.shape.with_rows(batch)),
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
