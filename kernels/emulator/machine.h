#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
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
inline constexpr size_t kMaxSharedBytes = size_t{163} << 10;  // of an 8.0 card

/// A place in the program: a return address, relative to where the program is loaded.
using Site = uint32_t;
extern const uintptr_t program_base;
inline Site site_of(const void* return_address) {
  return static_cast<Site>(reinterpret_cast<uintptr_t>(return_address) - program_base);
}

enum class State { ready, at_barrier, at_warp_operation, returned };

struct Fiber;

/// What a lane waits for in a warp operation.
enum class WarpOperation { shuffle, vote, sync };
struct Waiting {
  WarpOperation operation;
  int kind;  ///< Shuffle or Vote: lanes meet only in the same one
  unsigned mask;
  uint64_t value;
  unsigned source;  ///< lane whose value a shuffle returns; kWarpSize or more: undefined
  uint64_t result;
};

/// A __threadfence of a thread.
struct Fence {
  int barrier = -1;               ///< epoch; -1 for none
  unsigned warp = 0;              ///< epoch
  unsigned count = 0;             ///< of the thread in that barrier epoch, this one included
  std::vector<unsigned> syncs{};  ///< by lane, the last __syncwarp before it with the thread's
};

/// One CUDA thread.
struct Thread {
  uint3 index;
  unsigned number;  ///< within the block, x running fastest
  unsigned warp;
  unsigned lane;
  State state;
  Fiber* fiber;       ///< null before it has begun and after it has returned
  Site site;          ///< where it waits
  const void* frame;  ///< of the barrier it waits at, on its stack
  Waiting waiting;
  Fence fence;          ///< the last one
  Fence earlier_fence;  ///< the last one of an earlier barrier epoch than that
};

struct Warp {
  unsigned present;             ///< lanes that exist
  unsigned returned;            ///< lanes that have returned
  unsigned epoch;               ///< __syncwarps so far
  unsigned whole;               ///< the last one that all lanes took part in
  std::vector<unsigned> pairs;  ///< the last one of each two lanes, if only some ever took part

  unsigned last_common_sync(unsigned a, unsigned b) const {
    return pairs.empty() ? whole : std::max(whole, pairs[a * kWarpSize + b]);
  }
};

/// What a thread has written becomes visible to others by a fence, then an atomic operation. Who
/// does an atomic operation on the same address afterwards sees it.
struct Release {
  unsigned thread = 0;
  unsigned barrier = 0;  ///< epoch
  uint64_t number = 0;   ///< of the atomic operation
  Fence fence;
  /// Fences of other threads that stand before the operation: by thread, put there by a barrier,
  /// and by lane, by a __syncwarp.
  std::shared_ptr<const std::vector<Fence>> block_fences;
  std::vector<Fence> warp_fences;
};
/// An atomic operation that may have seen releases, by its thread and when.
struct Acquire {
  const void* address = nullptr;
  unsigned thread = 0;
  unsigned barrier = 0;
  unsigned warp = 0;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a 0 into it
  auto operator<=>(const Acquire&) const = default;
};

/// The running launch and its running block.
struct Machine {
  const KernelCall* call = nullptr;
  uint32_t first_block = 1;  ///< serial number of the launch's block 0, counted over all launches
  uint64_t atomics = 0;      ///< atomic operations of the launch so far
  /// By the address of the operation, then by the block's serial number.
  std::map<const void*, std::map<uint32_t, std::vector<Release>>> releases;

  uint3 block_index;
  uint32_t block = 0;  ///< number of the block in its grid
  unsigned barrier_epoch = 0;
  unsigned arrived = 0;  ///< threads at the barrier
  const Thread* first_at_barrier = nullptr;
  unsigned predicates = 0;  ///< how many of them with predicate 1
  unsigned running = 0;     ///< threads that have not returned
  BarrierResult barrier_result{};
  bool fenced = false;  ///< a thread of the block has called __threadfence
  std::shared_ptr<const std::vector<Fence>>
      block_fences;                      ///< of this barrier epoch, once asked for
  std::map<Acquire, uint64_t> acquires;  ///< the operation's number

  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::string fault;  ///< why the launch was stopped

  uint32_t serial() const { return first_block + block; }
};
extern Machine machine;

/// The CUDA thread that runs now; null in host code.
extern constinit thread_local Thread* current;

/// The stack of the running thread.
inline constexpr size_t kStackBytes = size_t{256} << 10;
extern constinit thread_local const std::byte* current_stack;

/// Runs all blocks; false when the checker has stopped them, with the reason in machine.fault.
bool run(const KernelCall& call, uint64_t seed);

/// Stops the launch: the running thread never continues.
[[noreturn]] void stop(std::string fault);

}  // namespace ember::emulator
