#include "tensor/cuda/memory.h"

#include <limits>

#include "tensor/cuda/block_counters.h"
#include "tensor/cuda/check.h"
#include "tensor/cuda/stats.h"
#include "tensor/cuda/stream.h"
#include "tensor/device.h"

namespace ember::cuda {
namespace {

// By default the pool gives freed memory back whenever the host waits.
void keep_freed_memory() {
  cudaMemPool_t pool = nullptr;
  EMBER_CUDA_CHECK(cudaDeviceGetDefaultMemPool(&pool, 0));
  uint64_t threshold = std::numeric_limits<uint64_t>::max();
  EMBER_CUDA_CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
}

[[noreturn]] void fail_for_want_of_memory(size_t bytes) {
  static_cast<void>(cudaGetLastError());
  size_t free = 0;
  size_t total = 0;
  EMBER_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  fail(ExitCode::internal,
       "the GPU has no room for {} MiB more ({} of its {} MiB are free); smaller images or batches "
       "need less",
       (bytes >> 20) + 1, free >> 20, total >> 20);
}

cudaMemcpyKind kind_of(Direction direction) {
  switch (direction) {
    case Direction::to_device:
      return cudaMemcpyHostToDevice;
    case Direction::to_host:
      return cudaMemcpyDeviceToHost;
    case Direction::on_device:
      break;
  }
  return cudaMemcpyDeviceToDevice;
}

}  // namespace

std::byte* allocate(size_t bytes) {
  [[maybe_unused]] static const bool once = (keep_freed_memory(), true);
  EMBER_REQUIRE(!capturing(), "{} bytes are asked for while a graph is recorded", bytes);
  void* block = nullptr;
  // Of no bytes, CUDA makes no block.
  const cudaError_t error = cudaMallocAsync(&block, bytes == 0 ? 1 : bytes, current_stream());
  if (error == cudaErrorMemoryAllocation) fail_for_want_of_memory(bytes);
  if (error != cudaSuccess) fail_call("cudaMallocAsync", error, __FILE__, __LINE__);
  count_memory_change();
  return static_cast<std::byte*>(block);
}

void deallocate(std::byte* block) noexcept {
  EMBER_CUDA_REPORT(cudaFreeAsync(block, current_stream()));
  count_memory_change();
}

std::byte* allocate_pinned(size_t bytes) {
  void* block = nullptr;
  EMBER_CUDA_CHECK(cudaHostAlloc(&block, bytes == 0 ? 1 : bytes, cudaHostAllocDefault));
  return static_cast<std::byte*>(block);
}

void deallocate_pinned(std::byte* block) noexcept {
  // Where an error ends the work early, copies may still be under way.
  count_host_wait();
  EMBER_CUDA_REPORT(cudaStreamSynchronize(current_stream()));
  EMBER_CUDA_REPORT(cudaFreeHost(block));
}

void copy(void* to, const void* from, size_t bytes, Direction direction) {
  if (bytes == 0) return;
  EMBER_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, kind_of(direction), current_stream()));
  count_copy();
}

void synchronize() {
  count_host_wait();
  EMBER_CUDA_CHECK(cudaStreamSynchronize(current_stream()));
}

void fill(void* to, uint8_t value, int64_t count) {
  if (count == 0) return;
  EMBER_CUDA_CHECK(cudaMemsetAsync(to, value, static_cast<size_t>(count), current_stream()));
}

unsigned* block_counters(int64_t count) {
  thread_local std::unique_ptr<Storage> counters;
  const size_t bytes = static_cast<size_t>(count) * sizeof(unsigned);
  if (counters == nullptr || counters->bytes() < bytes) {
    counters.reset();
    counters = std::make_unique<Storage>(Device::cuda, bytes);
    fill(counters->data(), uint8_t{0}, static_cast<int64_t>(bytes));
  }
  return reinterpret_cast<unsigned*>(counters->data());
}

}  // namespace ember::cuda
