#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/adam.h"

namespace ember {

/// Both forms of Adam as one: w -= step_size * m / (root_factor * sqrt(v) + epsilon).
struct AdamCoefficients {
  float one_minus_beta1;
  float one_minus_beta2;
  float step_size;
  float root_factor;
  float epsilon;

  AdamCoefficients(const AdamOptions& options, int64_t step) {
    const auto t = static_cast<double>(step);
    const double correction1 = 1.0 - std::pow(options.beta1, t);
    const double root_correction2 = std::sqrt(1.0 - std::pow(options.beta2, t));
    const bool keras = options.form == AdamEpsilon::keras;
    one_minus_beta1 = static_cast<float>(1.0 - options.beta1);
    one_minus_beta2 = static_cast<float>(1.0 - options.beta2);
    step_size =
        static_cast<float>(options.learning_rate * (keras ? root_correction2 : 1.0) / correction1);
    root_factor = static_cast<float>(keras ? 1.0 : 1.0 / root_correction2);
    epsilon = static_cast<float>(options.epsilon);
  }
};

}  // namespace ember
