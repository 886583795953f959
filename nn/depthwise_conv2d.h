#pragma once

#include "nn/conv2d.h"

namespace ember {

struct DepthwiseConv2DOptions {
  int kernel = 3;
  int stride = 1;
  PaddingRule padding = PaddingRule::same;
  Padding pixels;  ///< for PaddingRule::pixels
};

/// Depthwise convolution of (N, H, W, C) with `kernel` (K, K, C), no bias; see
/// kernels/depthwise_conv2d.h.
class DepthwiseConv2D : public Layer {
 public:
  DepthwiseConv2D(std::string name, DepthwiseConv2DOptions options)
      : Layer(std::move(name)), options_(options) {}

  std::string_view type() const override { return "DepthwiseConv2D"; }
  Shape build(std::span<const Shape> inputs) override;
  int64_t macs(std::span<const Shape> inputs, const Shape& output) const override;
  std::string_view kernels() const override { return convolution_kernels(*this); }
  bool backward_reads_input() const override { return learns(); }
  bool takes_epilogue() const override { return true; }
  Signal forward(const Forward& pass) override;
  void backward(const Backward& pass) override;

  /// Known once the layer is part of a model.
  const Window& window() const { return window_; }

 private:
  DepthwiseConv2DOptions options_;
  Window window_;
};

}  // namespace ember
