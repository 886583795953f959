#include "nn/adam.h"

#include <utility>

#include "tensor/error.h"

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

std::map<std::string, Tensor> Adam::averages() const {
  std::map<std::string, Tensor> averages;
  size_t k = 0;
  std::as_const(*model_).for_each_parameter([&](const Layer& layer, const Parameter& parameter) {
    if (k == averages_.size()) return;
    const auto& [m, v] = averages_[k++];
    if (m.empty()) return;
    const std::string name = name_of(layer, parameter);
    averages.emplace(name + "/m", m.on(Device::cpu));
    averages.emplace(name + "/v", v.on(Device::cpu));
  });
  return averages;
}

void Adam::restore(int64_t steps, const std::map<std::string, Tensor>& averages) {
  EMBER_REQUIRE(steps_ == 0, "Adam: has taken {} steps", steps_);
  steps_ = steps;
  averages_.clear();
  size_t found = 0;
  model_->for_each_parameter([&](Layer& layer, Parameter& parameter) {
    Averages& own = averages_.emplace_back();
    const std::string name = name_of(layer, parameter);
    for (const auto& [suffix, average] : {std::pair{"/m", &own.m}, std::pair{"/v", &own.v}}) {
      const auto entry = averages.find(name + suffix);
      if (entry == averages.end()) continue;
      if (entry->second.shape() != parameter.value.shape()) {
        fail(ExitCode::data, "{}{} is {}, not {}", name, suffix, to_string(entry->second.shape()),
             to_string(parameter.value.shape()));
      }
      *average = entry->second.clone();
      ++found;
    }
  });
  if (found != averages.size()) {
    fail(ExitCode::data, "{} of {} averages belong to no parameter of {}", averages.size() - found,
         averages.size(), model_->name());
  }
}

void Adam::prepare_replay() const { cuda::set_replayed_adam_step(options_, steps_); }

}  // namespace ember
