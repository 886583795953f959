#include "nn/depthwise_conv2d.h"

#include "kernels/depthwise_conv2d.h"

namespace ember {

Shape DepthwiseConv2D::build(std::span<const Shape> inputs) {
  const Shape& x = only_input(inputs, 4);
  const auto [size, stride, rule, pixels] = options_;
  window_ = {stride, stride, pixels};
  if (rule == PaddingRule::valid) window_.padding = {};
  if (rule == PaddingRule::same)
    window_.padding = Padding::same(x[1], x[2], size, size, stride, stride);
  const Shape kernel{size, size, x[3]};
  if (parameters().empty()) {
    const int64_t area = int64_t{size} * size;
    add_parameter(
        {.variable = "kernel",
         .value = Tensor::zeros(kernel),
         .gradient = {},
         .fan_in = area * x[3],  // Keras counts so: the kernel is (size, size, C, 1) there
         .fan_out = area});
  }
  return depthwise_conv2d_output_shape(x, kernel, window_);
}

int64_t DepthwiseConv2D::macs(std::span<const Shape>, const Shape& output) const {
  return output[1] * output[2] * output[3] * options_.kernel * options_.kernel;
}

Signal DepthwiseConv2D::forward(const Forward& pass) {
  const Signal& x = pass.inputs[0];
  Tensor y = pass.out;
  const Tensor& kernel = parameters()[0].value;
  if (pass.expansion != nullptr) {
    expanded_depthwise_conv2d_forward(x.raw, *pass.expansion, kernel, window_, y, pass.epilogue);
  } else {
    depthwise_conv2d_forward(x.raw, x.pending, kernel, window_, y, pass.epilogue);
  }
  return {y, {}, pass.epilogue.fold != nullptr};
}

void DepthwiseConv2D::backward(const Backward& pass) {
  const Signal& x = pass.inputs[0];
  const Gradient& dy = pass.gradient;
  const Tensor& kernel = parameters()[0].value;
  Tensor& dkernel = parameters()[0].gradient;
  InputGradient& dx = pass.inputs_gradient[0];
  EMBER_REQUIRE(!dx.accumulate, "{}: the gradient of an input with several readers", name());
  if (learns() && dx.wanted) {
    depthwise_conv2d_backward(x.raw, x.pending, dy.dz, dy.pending, kernel, window_, dkernel,
                              dx.buffer, dx.norm);
  } else if (learns()) {
    depthwise_conv2d_wgrad(x.raw, x.pending, dy.dz, dy.pending, window_, dkernel);
  } else if (dx.wanted) {
    depthwise_conv2d_dgrad(dy.dz, dy.pending, kernel, window_, dx.buffer, dx.norm);
  }
  if (dx.wanted) dx.result = {dx.buffer, {}};
  dx.summed = dx.norm != nullptr;
}

}  // namespace ember
