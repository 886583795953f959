#pragma once

#include <nlohmann/json_fwd.hpp>

#include "bench/kernel_report/step.h"

namespace ember {

/// The report as docs/performance.md describes it.
nlohmann::ordered_json json_of(const StepReport& report);

}  // namespace ember
