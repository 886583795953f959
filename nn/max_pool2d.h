#pragma once

#include "kernels/epilogue.h"
#include "kernels/window.h"
#include "nn/layer.h"

namespace ember {

/// Maximum over size x size windows without overlap; see kernels/max_pool2d.h. Behind a convolution
/// that nobody else reads it is part of that one's epilogue: `forward` is not called then, and
/// `backward` hands the gradient on with the choice pending.
class MaxPool2D : public Layer {
 public:
  MaxPool2D(std::string name, int size) : Layer(std::move(name)), size_(size) {}

  std::string_view type() const override { return "MaxPooling2D"; }
  Shape build(std::span<const Shape> inputs) override;
  int64_t state_bytes(const Shape& output) const override { return output.size(); }
  Signal forward(const Forward& pass) override;
  void backward(const Backward& pass) override;

  Pooling pooling(const ByteTensor& choice) const { return {size_, choice}; }
  Window window() const { return {size_, size_, {}}; }

 private:
  int size_;
};

}  // namespace ember
