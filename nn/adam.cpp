#include "nn/adam.h"

namespace ember {

void Adam::update() {
  if (slots_.empty()) {
    model_->for_each_parameter([&](Layer& layer, Parameter& parameter) {
      if (!layer.trainable() || !parameter.learned) return;
      EMBER_REQUIRE(!parameter.gradient.empty(),
                    "Adam: {}/{} has no gradient yet; run backward first", layer.name(),
                    parameter.variable);
      const auto zeros = [&] {
        return Tensor::zeros(parameter.value.shape(), parameter.value.device());
      };
      slots_.push_back({parameter.value, parameter.gradient, zeros(), zeros()});
    });
  }
  adam(slots_, options_, steps_);
}

void Adam::prepare_replay() const { cuda::set_replayed_adam_step(options_, steps_); }

}  // namespace ember
