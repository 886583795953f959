#pragma once

#include "nn/layer.h"

namespace ember {

/// (N, H, W, C) seen as (N, H*W*C).
class Flatten : public Layer {
 public:
  using Layer::Layer;

  std::string_view type() const override { return "Flatten"; }
  Shape build(std::span<const Shape> inputs) override;
  bool passes_through() const override { return true; }
  Signal forward(const Forward& pass) override;
  void backward(const Backward& pass) override;
};

}  // namespace ember
