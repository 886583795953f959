#pragma once

#include <span>

#include "nn/model_plan.h"

namespace ember {

/// Finds which layers need a gradient, and which ride with others instead of running themselves:
/// `needs_gradient`, `epilogues`, `expansions`, `absorbed`, `roots` and `norms` of a plan whose
/// `batch`, `training` and `threads` are set.
void fuse_layers(std::span<const Node> nodes, Device device, Plan& plan);

}  // namespace ember
