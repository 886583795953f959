#include "nn/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace ember {
namespace {

constexpr int64_t kAlignment = 64;

bool overlap(const BufferLife& a, const BufferLife& b) {
  return a.begin <= b.end && b.begin <= a.end;
}

}  // namespace

MemoryPlan plan_memory(std::span<const BufferLife> buffers) {
  std::vector<size_t> by_size(buffers.size());
  std::iota(by_size.begin(), by_size.end(), 0);
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  MemoryPlan plan{.offsets = std::vector<int64_t>(buffers.size(), 0)};
  const auto end_of = [&](size_t i) { return plan.offsets[i] + buffers[i].bytes; };
  std::vector<size_t> placed;  // in order of offset
  for (size_t i : by_size) {
    int64_t offset = 0;
    for (size_t other : placed) {
      if (!overlap(buffers[i], buffers[other])) continue;
      if (offset + buffers[i].bytes <= plan.offsets[other]) break;
      offset = std::max(offset, (end_of(other) + kAlignment - 1) / kAlignment * kAlignment);
    }
    plan.offsets[i] = offset;
    plan.bytes = std::max(plan.bytes, end_of(i));
    const auto place =
        std::upper_bound(placed.begin(), placed.end(), offset,
                         [&](int64_t value, size_t other) { return value < plan.offsets[other]; });
    placed.insert(place, i);
  }
  return plan;
}

}  // namespace ember
