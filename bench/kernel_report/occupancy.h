#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "bench/kernel_report/compiled_kernels.h"

namespace ember {

/// The architectures that the report looks at: A100, H100 and RTX 50.
inline constexpr std::array<int, 3> kArchitectures{80, 90, 120};

/// Warps that an SM of the architecture holds at once, from the CUDA Toolkit's occupancy
/// calculator, which needs no GPU. Nothing where the build has no toolkit; 0 where no block fits.
std::optional<int> resident_warps(int architecture, const CompiledKernel& kernel, int block_threads,
                                  int64_t dynamic_shared_bytes);

}  // namespace ember
