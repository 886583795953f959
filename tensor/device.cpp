#include "tensor/device.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tensor/error.h"

namespace ember {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;
// Below two huge pages the rounding would waste more than the pages save.
constexpr size_t kHugeBlock = 2 * kHugePage;

std::atomic<int64_t> allocations{0};
std::atomic<int64_t> current_bytes{0};
std::atomic<int64_t> peak_bytes{0};

void count_allocation(size_t bytes) {
  allocations.fetch_add(1);
  const int64_t held =
      current_bytes.fetch_add(static_cast<int64_t>(bytes)) + static_cast<int64_t>(bytes);
  int64_t peak = peak_bytes.load();
  while (held > peak && !peak_bytes.compare_exchange_weak(peak, held)) {
  }
}

std::byte* allocate_on_cpu(size_t bytes) {
  const bool huge = bytes >= kHugeBlock;
  const size_t alignment = huge ? kHugePage : kCacheLine;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* block = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (block == nullptr) throw std::bad_alloc();
  if (huge) madvise(block, rounded, MADV_HUGEPAGE);  // a hint: nothing depends on it
  return static_cast<std::byte*>(block);
}

}  // namespace

std::string_view to_string(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

Storage::Storage(Device device, size_t bytes) : device_(device), bytes_(bytes) {
  if (device != Device::cpu) {
    fail(ExitCode::unavailable, "device {}: this build of Ember has no CUDA; use the cpu",
         to_string(device));
  }
  data_ = allocate_on_cpu(bytes);
  count_allocation(bytes);
}

Storage::~Storage() {
  std::free(data_);
  current_bytes.fetch_sub(static_cast<int64_t>(bytes_));
}

MemoryStats memory_stats() { return {allocations.load(), current_bytes.load(), peak_bytes.load()}; }

void copy_bytes(void* to, Device to_device, const void* from, Device from_device, size_t bytes) {
  EMBER_REQUIRE(to_device == Device::cpu && from_device == Device::cpu,
                "copy_bytes: from {} to {} needs a build with CUDA", to_string(from_device),
                to_string(to_device));
  std::memcpy(to, from, bytes);
}

}  // namespace ember
