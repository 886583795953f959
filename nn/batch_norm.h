#pragma once

#include "kernels/batch_norm.h"
#include "nn/layer.h"

namespace ember {

/// Batch normalisation with Keras's defaults; see kernels/batch_norm.h. It writes no activation:
/// the output is the input's memory with scale and shift pending.
///
/// A trainable layer normalises with the batch's statistics in a training step and updates the
/// moving ones. A frozen one, or one with `use_moving_statistics(true)`, always normalises with the
/// moving statistics.
class BatchNorm : public Layer {
 public:
  explicit BatchNorm(std::string name, float epsilon = 1e-3f, float momentum = 0.99f)
      : Layer(std::move(name)), epsilon_(epsilon), momentum_(momentum) {}

  std::string_view type() const override { return "BatchNormalization"; }
  Shape build(std::span<const Shape> inputs) override;
  bool passes_through() const override { return true; }
  bool backward_reads_input() const override { return true; }
  std::optional<BatchNormFold> fold_before(const Step& step) override;
  std::optional<BatchNormFold> wanted_fold(const Step& step) override;
  std::optional<BatchNormBackward> wanted_sums(const Step& step, const Tensor& raw,
                                               const Pending& forward) override;
  void move_to(Device device) override;
  Signal forward(const Forward& pass) override;
  void backward(const Backward& pass) override;

  /// Keeps the moving statistics in training steps too, while gamma and beta still learn. For the
  /// layers of a model, call the model's.
  void use_moving_statistics(bool moving) { moving_only_ = moving; }
  /// How slowly the moving statistics follow the batches'.
  void set_momentum(float momentum) { momentum_ = momentum; }
  float epsilon() const { return epsilon_; }

 private:
  bool uses_batch(const Step& step) const { return step.training && trainable() && !moving_only_; }
  BatchNormFold fold_of(const Moments& moments) const;

  float epsilon_;
  float momentum_;
  bool moving_only_ = false;
  Moments batch_;
  Moments moving_;
  Tensor scale_, shift_;                ///< the pending forward transform
  BatchNormCoefficients coefficients_;  ///< of the pending backward transform
};

}  // namespace ember
