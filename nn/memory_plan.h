#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ember {

/// A buffer that is needed from time `begin` to time `end`, both included.
struct BufferLife {
  int64_t bytes = 0;
  int begin = 0;
  int end = 0;
};

/// Where each buffer lies in one arena.
struct MemoryPlan {
  std::vector<int64_t> offsets;  ///< in bytes, multiples of 64
  int64_t bytes = 0;             ///< of the whole arena
};

/// Places buffers so that those whose lives overlap do not share memory: the largest first, each in
/// the lowest gap that holds it (the greedy-by-size strategy of Pisarchyk & Lee, "Efficient memory
/// management for deep neural net inference", 2020).
MemoryPlan plan_memory(std::span<const BufferLife> buffers);

}  // namespace ember
