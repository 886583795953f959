#include "nn/dense.h"

#include "kernels/dense.h"

namespace ember {

Shape Dense::build(std::span<const Shape> inputs) {
  const Shape& x = only_input(inputs, 2);
  if (parameters().empty()) {
    add_parameter({.variable = "kernel",
                   .value = Tensor::zeros({units_, x[1]}),
                   .gradient = {},
                   .fan_in = x[1],
                   .fan_out = units_});
    add_parameter({.variable = "bias", .value = Tensor::zeros({units_}), .gradient = {}});
  }
  return {x[0], units_};
}

int64_t Dense::macs(std::span<const Shape> inputs, const Shape&) const {
  return inputs[0][1] * units_;
}

Signal Dense::forward(const Forward& pass) {
  const Signal& x = pass.inputs[0];
  Tensor y = pass.out;
  dense_forward(x.raw, x.pending, parameters()[0].value, parameters()[1].value, y);
  return {y, clip_of(activation_)};
}

void Dense::backward(const Backward& pass) {
  const Signal& x = pass.inputs[0];
  const Gradient dy = through_own_clip(pass);
  if (learns()) {
    dense_wgrad(x.raw, x.pending, dy.dz, dy.pending, parameters()[0].gradient,
                parameters()[1].gradient);
  }
  InputGradient& dx = pass.inputs_gradient[0];
  if (dx.wanted) {
    EMBER_REQUIRE(!dx.accumulate, "{}: the gradient of an input with several readers", name());
    dense_dgrad(dy.dz, dy.pending, parameters()[0].value, dx.buffer);
    dx.result = {dx.buffer, {}};
  }
}

}  // namespace ember
