#pragma once

#include <string>

#include "apps/training_options.h"

namespace ember {

/// Trains all layers of the network `options.model`, from random weights or from
/// `options.weights`; `stage` is what results.csv calls it.
void train_network(TrainingOptions options, const std::string& app, const std::string& stage);

}  // namespace ember
