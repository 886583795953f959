#include "nn/memory_plan.h"

#include <doctest/doctest.h>

#include "tensor/random.h"

namespace ember {
namespace {

bool in_each_others_way(const std::vector<BufferLife>& buffers, const MemoryPlan& plan, size_t a,
                        size_t b) {
  const bool same_time = buffers[a].begin <= buffers[b].end && buffers[b].begin <= buffers[a].end;
  const bool same_place = plan.offsets[a] < plan.offsets[b] + buffers[b].bytes &&
                          plan.offsets[b] < plan.offsets[a] + buffers[a].bytes;
  return same_time && same_place;
}

}  // namespace

TEST_CASE("buffers that live at the same time never overlap") {
  const Philox generator(3, Purpose::shuffle, 0);
  std::vector<BufferLife> buffers;
  for (uint64_t i = 0; i < 200; ++i) {
    const int begin = static_cast<int>(generator.bits(3 * i) % 50);
    buffers.push_back({.bytes = generator.bits(3 * i + 1) % 5000,
                       .begin = begin,
                       .end = begin + static_cast<int>(generator.bits(3 * i + 2) % 10)});
  }
  const MemoryPlan plan = plan_memory(buffers);
  for (size_t a = 0; a < buffers.size(); ++a) {
    CHECK(plan.offsets[a] % 64 == 0);
    CHECK(plan.offsets[a] + buffers[a].bytes <= plan.bytes);
    for (size_t b = a + 1; b < buffers.size(); ++b)
      CHECK_FALSE(in_each_others_way(buffers, plan, a, b));
  }
}

TEST_CASE("a chain of buffers needs room for two of them") {
  std::vector<BufferLife> buffers(10, BufferLife{.bytes = 640});
  for (int i = 0; i < 10; ++i) {
    buffers[static_cast<size_t>(i)].begin = i;
    buffers[static_cast<size_t>(i)].end = i + 1;
  }
  CHECK(plan_memory(buffers).bytes == 1280);
}

TEST_CASE("no buffers need no memory") { CHECK(plan_memory({}).bytes == 0); }

}  // namespace ember
