#include "nn/batch_norm.h"

namespace ember {

Shape BatchNorm::build(std::span<const Shape> inputs) {
  EMBER_REQUIRE(inputs.size() == 1 && inputs[0].rank() >= 2,
                "{} takes one input with a channel axis", name());
  if (parameters().empty()) {
    const Shape channels{inputs[0][-1]};
    const auto add = [&](const char* variable, float constant, bool learned) {
      add_parameter({.variable = variable,
                     .value = Tensor::filled(channels, constant),
                     .gradient = {},
                     .learned = learned,
                     .constant = constant});
    };
    add("gamma", 1.0f, true);
    add("beta", 0.0f, true);
    add("moving_mean", 0.0f, false);
    add("moving_variance", 1.0f, false);
    move_to(Device::cpu);
  }
  return inputs[0];
}

void BatchNorm::move_to(Device device) {
  Layer::move_to(device);
  moving_ = {parameters()[2].value, parameters()[3].value};
  // What a step computes anew.
  const Shape& channels = parameters()[0].value.shape();
  auto& [a, b, c] = coefficients_;
  for (Tensor* tensor : {&batch_.mean, &batch_.variance, &scale_, &shift_, &a, &b, &c}) {
    *tensor = Tensor(channels, device);
  }
}

BatchNormFold BatchNorm::fold_of(const Moments& moments) const {
  return {.gamma = parameters()[0].value,
          .beta = parameters()[1].value,
          .moments = moments,
          .epsilon = epsilon_,
          .scale = scale_,
          .shift = shift_};
}

std::optional<BatchNormFold> BatchNorm::fold_before(const Step& step) {
  if (uses_batch(step)) return std::nullopt;
  return fold_of(moving_);
}

std::optional<BatchNormFold> BatchNorm::wanted_fold(const Step& step) {
  if (!uses_batch(step)) return std::nullopt;
  BatchNormFold fold = fold_of(batch_);
  fold.moving = &moving_;
  fold.momentum = momentum_;
  return fold;
}

Signal BatchNorm::forward(const Forward& pass) {
  const Signal& x = pass.inputs[0];
  EMBER_REQUIRE(x.pending.identity(), "{}: BatchNorm follows an operation that writes its output",
                name());
  if (auto fold = wanted_fold(pass.step); fold && !x.normalised) {
    channel_moments(x.raw, batch_);
    batch_norm_fold({&*fold, 1});
  }
  return {x.raw, {.scale = scale_.data(), .shift = shift_.data()}};
}

std::optional<BatchNormBackward> BatchNorm::wanted_sums(const Step& step, const Tensor& raw,
                                                        const Pending& forward) {
  const bool batch = uses_batch(step);
  if (!learns() && !batch) return std::nullopt;
  return BatchNormBackward{.raw = raw,
                           .forward = forward,
                           .gamma = parameters()[0].value,
                           .moments = batch ? batch_ : moving_,
                           .epsilon = epsilon_,
                           .dgamma = parameters()[0].gradient,
                           .dbeta = parameters()[1].gradient,
                           .coefficients = batch ? &coefficients_ : nullptr};
}

void BatchNorm::backward(const Backward& pass) {
  const Tensor& raw = pass.inputs[0].raw;
  Gradient gradient = pass.gradient;
  // A clip behind this layer has left its mask pending; anything else is applied first.
  if (gradient.pending.identity() || gradient.pending.a != nullptr ||
      gradient.pending.raw != raw.data()) {
    gradient.settle();
    gradient.pending = {.raw = raw.data(), .forward = pass.output.pending};
  }
  if (!pass.summed) {
    auto norm = wanted_sums(pass.step, raw, gradient.pending.forward);
    if (norm) batch_norm_backward(gradient.dz, *norm);
  }
  InputGradient& dx = pass.inputs_gradient[0];
  if (!dx.wanted) return;
  if (uses_batch(pass.step)) {
    gradient.pending.a = coefficients_.a.data();
    gradient.pending.b = coefficients_.b.data();
    gradient.pending.c = coefficients_.c.data();
  } else {
    gradient.pending.a = scale_.data();
  }
  dx.result = gradient;
}

}  // namespace ember
