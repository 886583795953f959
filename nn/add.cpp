#include "nn/add.h"

#include <tuple>

#include "kernels/add.h"

namespace ember {

Shape Add::build(std::span<const Shape> inputs) {
  EMBER_REQUIRE(inputs.size() == 2 && inputs[0] == inputs[1],
                "Add {} takes two inputs of one shape", name());
  return inputs[0];
}

Signal Add::forward(const Forward& pass) {
  const auto& [a, b] = std::tie(pass.inputs[0], pass.inputs[1]);
  Tensor y = pass.out;
  add(a.raw, a.pending, b.raw, b.pending, y);
  return {y, {}};
}

void Add::backward(const Backward& pass) {
  Gradient gradient = pass.gradient;
  gradient.settle();
  for (InputGradient& dx : pass.inputs_gradient) {
    if (dx.wanted) dx.result = gradient;
  }
}

}  // namespace ember
