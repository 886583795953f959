#include "nn/adam.h"

namespace ember {

void Adam::gather_slots() {
  slots_.clear();
  size_t k = 0;
  model_->for_each_parameter([&](Layer& layer, Parameter& parameter) {
    if (k == averages_.size()) averages_.emplace_back();
    auto& [m, v] = averages_[k++];
    if (!layer.trainable() || !parameter.learned) return;
    EMBER_REQUIRE(model_version_ < 0 || !m.empty(),
                  "Adam: {}/{} has begun to learn after others; make a new optimizer, whose steps "
                  "begin with it",
                  layer.name(), parameter.variable);
    EMBER_REQUIRE(!parameter.gradient.empty(),
                  "Adam: {}/{} has no gradient yet; run backward first", layer.name(),
                  parameter.variable);
    const Device device = parameter.value.device();
    for (Tensor* average : {&m, &v}) {
      *average =
          average->empty() ? Tensor::zeros(parameter.value.shape(), device) : average->on(device);
    }
    slots_.push_back({parameter.value, parameter.gradient, m, v});
  });
  model_version_ = model_->version();
}

void Adam::update() {
  if (model_version_ != model_->version()) gather_slots();
  adam(slots_, options_, steps_);
}

void Adam::prepare_replay() const { cuda::set_replayed_adam_step(options_, steps_); }

}  // namespace ember
