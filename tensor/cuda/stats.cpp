#include "tensor/cuda/stats.h"

#include <atomic>

namespace ember {
namespace {

std::atomic<int64_t> launches{0};
std::atomic<int64_t> copies{0};
std::atomic<int64_t> replays{0};
std::atomic<int64_t> host_waits{0};
std::atomic<int64_t> memory_changes{0};

void add(std::atomic<int64_t>& count, int64_t more) {
  count.fetch_add(more, std::memory_order_relaxed);
}

}  // namespace

DeviceStats device_stats() {
  return {.launches = launches.load(),
          .copies = copies.load(),
          .replays = replays.load(),
          .host_waits = host_waits.load(),
          .memory_changes = memory_changes.load()};
}

namespace cuda {

void count_launch() { add(launches, 1); }
void count_copy() { add(copies, 1); }
void count_host_wait() { add(host_waits, 1); }
void count_memory_change() { add(memory_changes, 1); }

DeviceStats take_back(const DeviceStats& before) {
  DeviceStats recorded{};
  recorded.launches = launches.load() - before.launches;
  recorded.copies = copies.load() - before.copies;
  add(launches, -recorded.launches);
  add(copies, -recorded.copies);
  return recorded;
}

void count_replay(const DeviceStats& recorded) {
  add(launches, recorded.launches);
  add(copies, recorded.copies);
  add(replays, 1);
}

}  // namespace cuda
}  // namespace ember
