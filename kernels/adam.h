#pragma once

#include <span>

#include "tensor/tensor.h"

/// Adam (Kingma & Ba 2015), one pass over all parameters.
///
///     m += (1 - beta1) * (g - m)        v += (1 - beta2) * (g*g - v)
///     keras:    w -= lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)
///     pytorch:  w -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
///
/// The two differ in where epsilon stands: Keras adds it to the uncorrected root. t counts from 1.
namespace ember {

enum class AdamEpsilon { keras, pytorch };

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;  ///< a double, since 1 - 0.999f would be wrong in its fifth digit
  double epsilon = 1e-7;
  AdamEpsilon form = AdamEpsilon::keras;
};

/// One parameter and what belongs to it; four tensors of one shape.
struct AdamSlot {
  Tensor value;
  Tensor gradient;
  Tensor m;
  Tensor v;
};

/// Update number `step` (from 1) of all slots.
void adam(std::span<AdamSlot> slots, const AdamOptions& options, int64_t step);

namespace cpu {
void adam(std::span<AdamSlot> slots, const AdamOptions& options, int64_t step);
}  // namespace cpu

namespace cuda {
void adam(std::span<AdamSlot> slots, const AdamOptions& options, int64_t step);

/// The step of adam() in the graphs that are replayed from now on by the calling thread.
void set_replayed_adam_step(const AdamOptions& options, int64_t step);
}  // namespace cuda

}  // namespace ember
