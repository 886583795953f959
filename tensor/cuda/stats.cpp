#include "tensor/cuda/stats.h"

#include <atomic>

namespace ember {
namespace {

std::atomic<int64_t> launches{0};
std::atomic<int64_t> copies{0};
std::atomic<int64_t> host_waits{0};

}  // namespace

DeviceStats device_stats() { return {launches.load(), copies.load(), host_waits.load()}; }

namespace cuda {

void count_launch() { launches.fetch_add(1, std::memory_order_relaxed); }
void count_copy() { copies.fetch_add(1, std::memory_order_relaxed); }
void count_host_wait() { host_waits.fetch_add(1, std::memory_order_relaxed); }

}  // namespace cuda
}  // namespace ember
