#pragma once

#include <vector>

#include "kernels/adam.h"
#include "nn/model.h"

namespace ember {

/// The Adam optimizer over the trainable parameters of a model; see kernels/adam.h. The model must
/// have run a training step or `Model::backward` before, so that gradients exist; moments start at
/// 0.
class Adam {
 public:
  Adam(Model& model, AdamOptions options) : model_(&model), options_(options) {}

  /// Applies the gradients of the last backward pass.
  void step();

  int64_t steps() const { return steps_; }
  double learning_rate() const { return options_.learning_rate; }
  void set_learning_rate(double rate) { options_.learning_rate = rate; }

 private:
  Model* model_;
  AdamOptions options_;
  std::vector<AdamSlot> slots_;
  int64_t steps_ = 0;
};

}  // namespace ember
