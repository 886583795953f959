#pragma once

#include <limits>

#include "nn/layer.h"

namespace ember {

/// max(x, 0), or with an upper bound min(max(x, 0), 6). It writes no activation: the clip becomes
/// pending.
class ReLU : public Layer {
 public:
  explicit ReLU(std::string name, float upper = std::numeric_limits<float>::infinity())
      : Layer(std::move(name)), upper_(upper) {}

  std::string_view type() const override { return "ReLU"; }
  Shape build(std::span<const Shape> inputs) override;
  bool passes_through() const override { return true; }
  bool backward_reads_input() const override { return true; }
  Signal forward(const Forward& pass) override;
  void backward(const Backward& pass) override;

  float upper() const { return upper_; }  ///< infinity for none

 private:
  float upper_;
};

}  // namespace ember
