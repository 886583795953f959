#include "nn/max_pool2d.h"

#include "kernels/max_pool2d.h"

namespace ember {

Shape MaxPool2D::build(std::span<const Shape> inputs) {
  return max_pool2d_output_shape(only_input(inputs, 4), size_);
}

Signal MaxPool2D::forward(const Forward& pass) {
  Tensor y = pass.out;
  ByteTensor choice = pass.state.reshape(y.shape());
  max_pool2d_forward(pass.inputs[0].raw, pass.inputs[0].pending, size_, y, choice);
  return {y, {}};
}

void MaxPool2D::backward(const Backward& pass) {
  InputGradient& dx = pass.inputs_gradient[0];
  if (!dx.wanted) return;
  EMBER_REQUIRE(!dx.accumulate, "{}: the gradient of an input with several readers", name());
  Gradient dy = pass.gradient;
  dy.pending.choice = pass.state.data();
  dy.pending.pool_size = size_;
  if (dx.buffer.empty()) {  // the convolution before has pooled
    dx.result = dy;
    return;
  }
  max_pool2d_backward(dy.dz, dy.pending, dx.buffer);
  dx.result = {dx.buffer, {}};
}

}  // namespace ember
