#include "tensor/device.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tensor/cuda/memory.h"
#include "tensor/cuda/status.h"
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

void require_gpu() {
  const cuda::Status& status = cuda::status();
  if (!status.usable()) {
    fail(ExitCode::unavailable, "device cuda: {}; use the cpu", status.reason);
  }
}

}  // namespace

std::string_view to_string(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

Storage::Storage(Device device, size_t bytes, HostMemory host)
    : device_(device), host_(host), bytes_(bytes) {
  if (device == Device::cuda || host == HostMemory::pinned) require_gpu();
  if (device == Device::cuda) {
    data_ = cuda::allocate(bytes);
  } else {
    data_ = host == HostMemory::pinned ? cuda::allocate_pinned(bytes) : allocate_on_cpu(bytes);
  }
  count_allocation(bytes);
}

Storage::~Storage() {
  if (device_ == Device::cuda) {
    cuda::deallocate(data_);
  } else if (host_ == HostMemory::pinned) {
    cuda::deallocate_pinned(data_);
  } else {
    std::free(data_);
  }
  current_bytes.fetch_sub(static_cast<int64_t>(bytes_));
}

MemoryStats memory_stats() { return {allocations.load(), current_bytes.load(), peak_bytes.load()}; }

void copy_bytes(void* to, Device to_device, const void* from, Device from_device, size_t bytes) {
  copy_bytes_async(to, to_device, from, from_device, bytes);
  if (to_device != from_device) cuda::synchronize();
}

void copy_bytes_async(void* to, Device to_device, const void* from, Device from_device,
                      size_t bytes) {
  using cuda::Direction;
  if (to_device == Device::cpu && from_device == Device::cpu) {
    std::memcpy(to, from, bytes);
  } else if (to_device == from_device) {
    cuda::copy(to, from, bytes, Direction::on_device);
  } else {
    cuda::copy(to, from, bytes,
               to_device == Device::cuda ? Direction::to_device : Direction::to_host);
  }
}

void synchronize(Device device) {
  if (device == Device::cuda) cuda::synchronize();
}

}  // namespace ember
