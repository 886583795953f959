#include "nn/flatten.h"

namespace ember {
namespace {
Shape flat(const Shape& shape) { return {shape[0], shape.size() / shape[0]}; }
}  // namespace

Shape Flatten::build(std::span<const Shape> inputs) { return flat(only_input(inputs, 4)); }

Signal Flatten::forward(const Forward& pass) {
  const Signal& x = pass.inputs[0];
  EMBER_REQUIRE(!x.pending.has_affine(), "{}: a per-channel scale cannot outlive its channels",
                name());
  return {x.raw.reshape(flat(x.raw.shape())), x.pending};
}

void Flatten::backward(const Backward& pass) {
  Gradient gradient = pass.gradient;
  gradient.settle();
  gradient.dz = gradient.dz.reshape(pass.inputs[0].raw.shape());
  pass.inputs_gradient[0].result = gradient;
}

}  // namespace ember
