#pragma once

#include "nn/layer.h"

namespace ember {

/// Fully connected: (N, I) to (N, O) with `kernel` (O, I) and `bias` (O); see kernels/dense.h.
/// With an activation, the clip travels on as pending.
class Dense : public Layer {
 public:
  Dense(std::string name, int64_t units, Activation activation = Activation::linear)
      : Layer(std::move(name)), units_(units), activation_(activation) {}

  std::string_view type() const override { return "Dense"; }
  Shape build(std::span<const Shape> inputs) override;
  int64_t macs(std::span<const Shape> inputs, const Shape& output) const override;
  bool backward_reads_input() const override { return learns(); }
  bool backward_reads_output() const override { return activation_ != Activation::linear; }
  Signal forward(const Forward& pass) override;
  void backward(const Backward& pass) override;

  Activation activation() const { return activation_; }

 private:
  int64_t units_;
  Activation activation_;
};

}  // namespace ember
