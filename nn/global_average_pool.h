#pragma once

#include "nn/layer.h"

namespace ember {

/// The mean of each channel over the image: (N, H, W, C) to (N, C).
class GlobalAveragePool : public Layer {
 public:
  using Layer::Layer;

  std::string_view type() const override { return "GlobalAveragePooling2D"; }
  Shape build(std::span<const Shape> inputs) override;
  Signal forward(const Forward& pass) override;
  void backward(const Backward& pass) override;
};

}  // namespace ember
