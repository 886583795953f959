#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/emulator/vector_types.h"

/// What a kernel's code calls in the emulator: who am I, block and warp operations, and notes to
/// the checker. Called on the fiber of a CUDA thread only.
namespace ember::emulator {

// Constant for as long as one CUDA thread lives, hence `const` functions.
[[gnu::const]] uint3 thread_index();
[[gnu::const]] uint3 block_index();
[[gnu::const]] uint3 block_size();
[[gnu::const]] uint3 grid_size();

/// __syncthreads and its kin: waits for all threads of the block that have not returned.
struct BarrierResult {
  unsigned count;    ///< threads whose predicate was 1
  unsigned threads;  ///< threads that took part
};
[[gnu::noinline]] BarrierResult barrier(int predicate);
inline int barrier_all(int predicate) {
  const BarrierResult result = barrier(predicate);
  return result.count == result.threads ? 1 : 0;
}

enum class Shuffle { index, up, down, exchange };
[[gnu::noinline]] uint64_t shuffle(Shuffle kind, unsigned mask, uint64_t value, unsigned argument,
                                   unsigned width);
enum class Vote { any, all, ballot };
/// The lanes whose predicate is true.
[[gnu::noinline]] unsigned vote(Vote kind, unsigned mask, bool predicate);
[[gnu::noinline]] void sync_warp(unsigned mask);

/// __threadfence.
void fence();

/// An atomic operation of this thread is about to happen, in the call that returns to
/// `return_address`.
void atomic_access(const void* address, size_t bytes, const void* return_address);

/// The dynamic shared memory of the running block.
std::byte* dynamic_shared_memory();

}  // namespace ember::emulator
