#pragma once

#include "kernels/dropout.h"
#include "nn/layer.h"

namespace ember {

/// Inverted dropout in training steps, nothing otherwise; see kernels/dropout.h. Which elements are
/// dropped depends on the run's seed, the step and `ordinal`, which tells the dropout layers of one
/// model apart.
class Dropout : public Layer {
 public:
  Dropout(std::string name, float rate, uint64_t ordinal = 0);

  std::string_view type() const override { return "Dropout"; }
  Shape build(std::span<const Shape> inputs) override;
  Signal forward(const Forward& pass) override;
  void backward(const Backward& pass) override;

 private:
  DropoutMask mask(const Step& step) const;

  float rate_;
  uint64_t ordinal_;
};

}  // namespace ember
