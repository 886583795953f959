#include "nn/global_average_pool.h"

#include "kernels/global_average_pool.h"

namespace ember {

Shape GlobalAveragePool::build(std::span<const Shape> inputs) {
  const Shape& x = only_input(inputs, 4);
  return {x[0], x[3]};
}

Signal GlobalAveragePool::forward(const Forward& pass) {
  Tensor y = pass.out;
  global_average_pool_forward(pass.inputs[0].raw, pass.inputs[0].pending, y);
  return {y, {}};
}

void GlobalAveragePool::backward(const Backward& pass) {
  InputGradient& dx = pass.inputs_gradient[0];
  if (!dx.wanted) return;
  EMBER_REQUIRE(!dx.accumulate, "{}: the gradient of an input with several readers", name());
  Gradient dy = pass.gradient;
  dy.settle();
  global_average_pool_backward(dy.dz, dx.buffer);
  dx.result = {dx.buffer, {}};
}

}  // namespace ember
