#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/emulator/block.h"
#include "kernels/emulator/runtime.h"

/// The state of the running kernel, shared by the emulator's own files.
namespace ember::emulator {

inline constexpr unsigned kWarpSize = 32;

/// The index that has this number, x running fastest.
inline uint3 index_of(uint32_t number, const dim3& size) {
  return {number % size.x, number / size.x % size.y, number / size.x / size.y};
}

inline constexpr unsigned kMaxThreads = 1024;
inline constexpr size_t kMaxSharedBytes = size_t{227} << 10;

/// A place in the program: a return address, relative to where the program is loaded.
using Site = uint32_t;
extern const uintptr_t program_base;
inline Site site_of(const void* return_address) {
  return static_cast<Site>(reinterpret_cast<uintptr_t>(return_address) - program_base);
}

enum class State { ready, at_barrier, at_warp_operation, returned };

struct Fiber;

/// What a lane waits for in a warp operation.
enum class WarpOperation { shuffle, ballot, sync };
struct Waiting {
  WarpOperation operation;
  unsigned mask;
  uint64_t value;
  unsigned source;  ///< lane whose value a shuffle returns; kWarpSize or more: undefined
  uint64_t result;
};

/// One CUDA thread.
struct Thread {
  uint3 index;
  unsigned number;  ///< within the block, x running fastest
  unsigned warp;
  unsigned lane;
  State state;
  Fiber* fiber;  ///< null before it has begun and after it has returned
  Site site;     ///< where it waits
  Waiting waiting;
  int fence_epoch;  ///< barrier epoch of its last __threadfence; -1 for none
};

struct Warp {
  unsigned present;   ///< lanes that exist
  unsigned returned;  ///< lanes that have returned
  unsigned epoch;     ///< __syncwarps so far
};

/// A block's partial results become visible to other blocks: fence, then an atomic operation. Who
/// does an atomic operation on the same address afterwards sees them.
struct Release {
  const void* address = nullptr;
  unsigned thread = 0;
  int fence_epoch = -1;
  std::vector<int> fence_epochs;  ///< by thread: fences that a barrier has put before the atomic
};

/// The running launch and its running block.
struct Machine {
  const KernelCall* call = nullptr;
  uint32_t first_block = 1;  ///< serial number of the launch's block 0, counted over all launches
  std::vector<std::vector<Release>> releases;  ///< by block, one for each counter it has used

  uint3 block_index;
  uint32_t block = 0;  ///< number of the block in its grid
  unsigned barrier_epoch = 0;
  unsigned arrived = 0;  ///< threads at the barrier
  const Thread* first_at_barrier = nullptr;
  unsigned predicates = 0;  ///< how many of them with predicate 1
  unsigned running = 0;     ///< threads that have not returned
  BarrierResult barrier_result{};
  const void* acquired = nullptr;  ///< address of the block's last atomic on global memory
  unsigned acquiring_thread = 0;
  unsigned acquire_epoch = 0;

  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::string fault;  ///< why the launch was stopped

  uint32_t serial() const { return first_block + block; }
};
extern Machine machine;

/// The CUDA thread that runs now; null in host code.
extern Thread* current;

/// The stack of the running thread.
inline constexpr size_t kStackBytes = size_t{256} << 10;
extern const std::byte* current_stack;

/// Runs all blocks; false when the checker has stopped them, with the reason in machine.fault.
bool run(const KernelCall& call, uint64_t seed);

/// Stops the launch: the running thread never continues.
[[noreturn]] void stop(std::string fault);

}  // namespace ember::emulator
