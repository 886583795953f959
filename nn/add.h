#pragma once

#include "nn/layer.h"

namespace ember {

/// The sum of two activations of one shape: a residual connection.
class Add : public Layer {
 public:
  using Layer::Layer;

  std::string_view type() const override { return "Add"; }
  bool hands_gradient_through() const override { return true; }
  Shape build(std::span<const Shape> inputs) override;
  Signal forward(const Forward& pass) override;
  /// Both inputs get the gradient itself, as one tensor.
  void backward(const Backward& pass) override;
};

}  // namespace ember
