#include "nn/conv2d.h"

#include "kernels/conv2d.h"
#include "kernels/conv_backend.h"

namespace ember {

std::string_view convolution_kernels(const Layer& layer) {
  const Device device = layer.parameters()[0].value.device();
  return device == Device::cuda ? to_string(conv_backend()) : "";
}

Shape Conv2D::build(std::span<const Shape> inputs) {
  const Shape& x = only_input(inputs, 4);
  const auto [kernel_h, kernel_w] = options_.kernel;
  const auto [stride_h, stride_w] = options_.strides;
  window_ = {stride_h, stride_w, options_.pixels};
  if (options_.padding == PaddingRule::valid) window_.padding = {};
  if (options_.padding == PaddingRule::same) {
    window_.padding = Padding::same(x[1], x[2], kernel_h, kernel_w, stride_h, stride_w);
  }
  const Shape kernel{options_.filters, kernel_h, kernel_w, x[3]};
  if (parameters().empty()) {
    const int64_t area = int64_t{kernel_h} * kernel_w;
    add_parameter({.variable = "kernel",
                   .value = Tensor::zeros(kernel),
                   .gradient = {},
                   .fan_in = area * x[3],
                   .fan_out = area * options_.filters});
    if (options_.bias) {
      const Shape channels{options_.filters};
      add_parameter({.variable = "bias", .value = Tensor::zeros(channels), .gradient = {}});
    }
  }
  return conv2d_output_shape(x, kernel, window_);
}

bool Conv2D::expands() const {
  const std::array<int, 2> one{1, 1};
  return options_.kernel == one && window_ == Window{} && !options_.bias &&
         options_.activation == Activation::linear;
}

int64_t Conv2D::packed_size(const Pooling& pooling) const {
  return conv2d_packed_size(parameters()[0].value.shape(), window_, pooling);
}

void Conv2D::pack(const Epilogue& epilogue, Tensor& packed) const {
  conv2d_pack(parameters()[0].value, window_, epilogue, packed);
}

int64_t Conv2D::macs(std::span<const Shape> inputs, const Shape& output) const {
  return output[1] * output[2] * output[3] * options_.kernel[0] * options_.kernel[1] * inputs[0][3];
}

Signal Conv2D::forward(const Forward& pass) {
  const Signal& x = pass.inputs[0];
  Tensor y = pass.out;
  const Tensor bias = options_.bias ? parameters()[1].value : Tensor();
  conv2d_forward(x.raw, x.pending, parameters()[0].value, bias, window_, y, pass.epilogue,
                 pass.packed);
  return {y, clip_of(options_.activation), pass.epilogue.fold != nullptr};
}

void Conv2D::backward(const Backward& pass) {
  const Signal& x = pass.inputs[0];
  const Gradient dy = through_own_clip(pass);
  const Tensor& kernel = parameters()[0].value;
  Tensor& dkernel = parameters()[0].gradient;
  Tensor dbias = learns() && options_.bias ? parameters()[1].gradient : Tensor();
  InputGradient& dx = pass.inputs_gradient[0];
  if (learns() && dx.wanted) {
    conv2d_backward(x.raw, x.pending, dy.dz, dy.pending, kernel, window_, dkernel, dbias,
                    dx.accumulate, dx.buffer, dx.norm);
  } else if (learns()) {
    conv2d_wgrad(x.raw, x.pending, dy.dz, dy.pending, window_, dkernel, dbias);
  } else if (dx.wanted) {
    conv2d_dgrad(dy.dz, dy.pending, kernel, window_, dx.accumulate, dx.buffer, dx.norm);
  }
  if (dx.wanted) dx.result = {dx.buffer, {}};
  dx.summed = dx.norm != nullptr;
}

}  // namespace ember
