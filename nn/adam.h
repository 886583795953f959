#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernels/adam.h"
#include "nn/model.h"

namespace ember {

/// The Adam optimizer over the trainable parameters of a model; see kernels/adam.h. The model must
/// have run a training step or `Model::backward` before, so that gradients exist. The averages
/// start at 0; they stay while a layer is frozen, and follow the model to another device. A
/// parameter that did not learn at the first step is refused later, since the correction of its
/// averages counts from there.
class Adam {
 public:
  Adam(Model& model, AdamOptions options) : model_(&model), options_(options) {}

  /// Applies the gradients of the last backward pass.
  void step() {
    begin_step();
    update();
  }
  /// step() in two: what changes on the host, and the work, which a graph may repeat instead of
  /// update() once prepare_replay() has said which step it is.
  void begin_step() { ++steps_; }
  void update();
  void prepare_replay() const;

  int64_t steps() const { return steps_; }

  /// What the next step depends on besides the model: the averages by the names of their
  /// parameters, `layer/variable/m` and `layer/variable/v`, on the CPU; where the model is there,
  /// in their own memory.
  std::map<std::string, Tensor> averages() const;
  /// Goes on after `steps` steps that led to `averages`, before the first own one. Throws
  /// Error(data) for averages that are not the model's.
  void restore(int64_t steps, const std::map<std::string, Tensor>& averages);
  double learning_rate() const { return options_.learning_rate; }
  void set_learning_rate(double rate) { options_.learning_rate = rate; }

 private:
  /// Of a parameter's gradient and its square; empty until the parameter learns.
  struct Averages {
    Tensor m;
    Tensor v;
  };

  void gather_slots();

  Model* model_;
  AdamOptions options_;
  std::vector<Averages> averages_;  ///< of each parameter of the model, in order
  std::vector<AdamSlot> slots_;     ///< of what learns
  int64_t model_version_ = -1;      ///< that `slots_` belong to
  int64_t steps_ = 0;
};

}  // namespace ember
