#pragma once

#include <span>
#include <string>

#include "bench/kernel_report/step.h"

namespace ember {

/// The report as tables.
std::string text_of(const StepReport& report);

/// The table of layers: operations and fewest bytes.
std::string text_of(std::span<const LayerFloor> layers, int64_t batch);

}  // namespace ember
