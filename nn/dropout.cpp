#include "nn/dropout.h"

#include "kernels/dropout.h"

namespace ember {
namespace {

// A model has fewer than 256 dropout layers, a run fewer than 2^56 steps.
Philox generator(const Step& step, uint64_t ordinal) {
  return {step.seed, Purpose::dropout, step.number << 8 | ordinal};
}

}  // namespace

Dropout::Dropout(std::string name, float rate, uint64_t ordinal)
    : Layer(std::move(name)), rate_(rate), ordinal_(ordinal) {
  EMBER_REQUIRE(rate >= 0.0f && rate < 1.0f, "dropout rate {} is not in [0, 1)", rate);
}

Shape Dropout::build(std::span<const Shape> inputs) {
  EMBER_REQUIRE(inputs.size() == 1, "{} takes one input", name());
  return inputs[0];
}

Signal Dropout::forward(const Forward& pass) {
  const Signal& x = pass.inputs[0];
  Tensor y = pass.out;
  if (pass.step.training) {
    dropout_forward(x.raw, x.pending, rate_, generator(pass.step, ordinal_), y);
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
  dropout_backward(dy.dz, rate_, generator(pass.step, ordinal_), dx.buffer);
  dx.result = {dx.buffer, {}};
}

}  // namespace ember
