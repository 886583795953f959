#pragma once

#include <array>

#include "kernels/window.h"
#include "nn/layer.h"

namespace ember {

/// How the padding of a convolution is found. Given in pixels, or TensorFlow's `same`.
enum class PaddingRule { valid, same, pixels };

/// Whose kernels compute a convolution layer: "own" or "cuDNN" on a GPU, empty on the CPU, where
/// there is no choice.
std::string_view convolution_kernels(const Layer& layer);

struct Conv2DOptions {
  int64_t filters = 1;
  std::array<int, 2> kernel = {3, 3};   ///< height, width
  std::array<int, 2> strides = {1, 1};  ///< down, across
  PaddingRule padding = PaddingRule::valid;
  Padding pixels;  ///< for PaddingRule::pixels
  bool bias = true;
  Activation activation = Activation::linear;
};

/// Convolution of (N, H, W, I) with `kernel` (O, KH, KW, I) and `bias` (O); see kernels/conv2d.h.
/// With an activation, the clip travels on as pending.
class Conv2D : public Layer {
 public:
  Conv2D(std::string name, Conv2DOptions options) : Layer(std::move(name)), options_(options) {}

  std::string_view type() const override { return "Conv2D"; }
  Shape build(std::span<const Shape> inputs) override;
  int64_t macs(std::span<const Shape> inputs, const Shape& output) const override;
  std::string_view kernels() const override { return convolution_kernels(*this); }
  bool backward_reads_input() const override { return learns(); }
  bool backward_reads_output() const override { return options_.activation != Activation::linear; }
  bool takes_epilogue() const override { return options_.activation == Activation::linear; }
  Signal forward(const Forward& pass) override;
  void backward(const Backward& pass) override;

  Activation activation() const { return options_.activation; }
  /// Known once the layer is part of a model.
  const Window& window() const { return window_; }
  /// See conv2d_pack.
  int64_t packed_size(const Pooling& pooling) const;
  void pack(const Epilogue& epilogue, Tensor& packed) const;
  /// Whether it can be the Expansion of a depthwise convolution.
  bool expands() const;

 private:
  Conv2DOptions options_;
  Window window_;
};

}  // namespace ember
