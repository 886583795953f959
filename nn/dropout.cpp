#include "nn/dropout.h"

namespace ember {
Dropout::Dropout(std::string name, float rate, uint64_t ordinal)
    : Layer(std::move(name)), rate_(rate), ordinal_(ordinal) {
  EMBER_REQUIRE(rate >= 0.0f && rate < 1.0f, "dropout rate {} is not in [0, 1)", rate);
}

Shape Dropout::build(std::span<const Shape> inputs) {
  EMBER_REQUIRE(inputs.size() == 1, "{} takes one input", name());
  return inputs[0];
}

DropoutMask Dropout::mask(const Step& step) const {
  return {.rate = rate_, .seed = step.seed, .step = step.number, .ordinal = ordinal_};
}

Signal Dropout::forward(const Forward& pass) {
  const Signal& x = pass.inputs[0];
  Tensor y = pass.out;
  if (pass.step.training) {
    dropout_forward(x.raw, x.pending, mask(pass.step), y);
  } else {
    materialize(x.raw, x.pending, y);
  }
  return {y, {}};
}

void Dropout::backward(const Backward& pass) {
  InputGradient& dx = pass.inputs_gradient[0];
  if (!dx.wanted) return;
  EMBER_REQUIRE(!dx.accumulate, "{}: the gradient of an input with several readers", name());
  Gradient dy = pass.gradient;
  dy.settle();
  dropout_backward(dy.dz, mask(pass.step), dx.buffer);
  dx.result = {dx.buffer, {}};
}

}  // namespace ember
