#include "nn/relu.h"

#include <algorithm>

namespace ember {

Shape ReLU::build(std::span<const Shape> inputs) {
  EMBER_REQUIRE(inputs.size() == 1, "{} takes one input", name());
  return inputs[0];
}

Signal ReLU::forward(const Forward& pass) {
  Signal signal = pass.inputs[0];
  signal.normalised = false;
  signal.pending.lower = std::max(signal.pending.lower, 0.0f);
  signal.pending.upper = std::min(signal.pending.upper, upper_);
  return signal;
}

void ReLU::backward(const Backward& pass) {
  if (!pass.inputs_gradient[0].wanted) return;
  Gradient gradient = pass.gradient;
  // A clip behind this one, of the same memory, masks by both.
  const bool masked =
      gradient.pending.raw == pass.output.raw.data() && gradient.pending.a == nullptr;
  if (!masked) {
    gradient.settle();
    gradient.pending = {.raw = pass.output.raw.data(), .forward = pass.output.pending};
  }
  pass.inputs_gradient[0].result = gradient;
}

}  // namespace ember
