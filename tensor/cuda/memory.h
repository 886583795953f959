#pragma once

#include <cstddef>
#include <cstdint>

/// The GPU's memory, for tensor/device.cpp and tensor/tensor.h; no CUDA header stands here.
///
/// All of it goes through one stream in the order of the calls. Memory comes from CUDA's
/// stream-ordered pool, which keeps what is freed: a block can be freed while kernels that were
/// queued before still read it.
namespace ember::cuda {

enum class Direction { to_device, to_host, on_device };

/// Throws Error(internal) with how much is free where there is not enough, and while a graph is
/// recorded.
std::byte* allocate(size_t bytes);
void deallocate(std::byte* block) noexcept;

/// Page-locked memory of the host, which copies reach without a detour.
std::byte* allocate_pinned(size_t bytes);
void deallocate_pinned(std::byte* block) noexcept;

/// Queues a copy. The host's side must stay as it is until the copy is done.
void copy(void* to, const void* from, size_t bytes, Direction direction);

/// Waits until everything queued so far is done.
void synchronize();

/// Queues setting `count` elements to `value`.
void fill(void* to, uint8_t value, int64_t count);
void fill(void* to, uint32_t value, int64_t count);

}  // namespace ember::cuda
