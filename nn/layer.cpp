#include "nn/layer.h"

#include <algorithm>

namespace ember {

void Gradient::settle() {
  if (pending.identity()) return;
  materialize_gradient(dz, pending, dz);
  pending = {};
}

Parameter& Layer::parameter(std::string_view variable) {
  const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                  [&](const Parameter& p) { return p.variable == variable; });
  EMBER_REQUIRE(found != parameters_.end(), "layer {} has no {}", name_, variable);
  return *found;
}

void Layer::move_to(Device device) {
  for (Parameter& parameter : parameters_) {
    parameter.value = parameter.value.on(device);
    if (!parameter.gradient.empty()) parameter.gradient = parameter.gradient.on(device);
  }
}

bool Layer::learns() const {
  return trainable_ && std::any_of(parameters_.begin(), parameters_.end(),
                                   [](const Parameter& p) { return p.learned; });
}

const Shape& Layer::only_input(std::span<const Shape> inputs, int rank) const {
  EMBER_REQUIRE(inputs.size() == 1, "{} {} takes one input, not {}", type(), name_, inputs.size());
  EMBER_REQUIRE(inputs[0].rank() == rank, "{} {} takes an input of rank {}, not {}", type(), name_,
                rank, to_string(inputs[0]));
  return inputs[0];
}

Parameter& Layer::add_parameter(Parameter parameter) {
  parameters_.push_back(std::move(parameter));
  return parameters_.back();
}

Pending clip_of(Activation activation) {
  Pending clip;
  if (activation == Activation::relu) clip.lower = 0.0f;
  return clip;
}

Gradient through_own_clip(const Backward& pass) {
  Gradient gradient = pass.gradient;
  const Pending& own = pass.output.pending;
  if (own.identity()) return gradient;
  // A clip that followed (a ReLU after an activation) already masks by the same raw tensor and
  // tighter bounds.
  if (gradient.pending.raw == nullptr) {
    gradient.pending.raw = pass.output.raw.data();
    gradient.pending.forward = own;
  }
  return gradient;
}

std::string name_of(const Layer& layer, const Parameter& parameter) {
  return layer.name() + "/" + parameter.variable;
}

}  // namespace ember
