#include "kernels/emulator/checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "kernels/emulator/memory.h"
#include "kernels/emulator/report.h"

namespace ember::emulator {
namespace {

/// The running thread's place in the order of things; what it does next is recorded under it.
Access now{};

/// Whether a __syncwarp stands between epoch `epoch` of a thread of this block and the running
/// thread: they are lanes of one warp, and have both taken part in it.
bool synced(unsigned thread, unsigned epoch) {
  return thread / kWarpSize == current->warp &&
         machine.warps[current->warp].last_common_sync(thread % kWarpSize, current->lane) > epoch;
}

/// Whether a barrier puts `before`, of another thread of this block, before `now`.
bool ordered_in_block(const Access& before) {
  return before.barrier != now.barrier || synced(before.thread, before.warp);
}

/// Whether the fence stands behind `access` of the same thread.
bool fenced(const Fence& fence, const Access& access) {
  const int barrier = access.barrier;
  return barrier < fence.barrier || (barrier == fence.barrier && access.fences < fence.count);
}

/// Whether what `access`, of the release's block, has done is visible through the release.
bool covers(const Release& release, const Access& access) {
  const Fence& fence = release.fence;
  if (access.thread == release.thread) return fenced(fence, access);
  if (access.barrier < fence.barrier) return true;
  if (access.thread / kWarpSize == release.thread / kWarpSize) {
    const unsigned lane = access.thread % kWarpSize;
    if (access.barrier == fence.barrier && access.warp < fence.syncs[lane]) return true;
    if (!release.warp_fences.empty() && fenced(release.warp_fences[lane], access)) return true;
  }
  return fenced((*release.block_fences)[access.thread], access);
}

/// Whether the running thread has seen an atomic operation of its block.
bool has_seen(const Acquire& acquire) {
  return acquire.thread == current->number || acquire.barrier < machine.barrier_epoch ||
         synced(acquire.thread, acquire.warp);
}

/// Whether the running thread has seen an atomic operation behind which `before`, of another thread
/// in this launch, had been fenced.
bool published(const Access& before) {
  for (const auto& [acquire, number] : machine.acquires) {
    if (!has_seen(acquire)) continue;
    const auto& blocks = machine.releases[acquire.address];
    const auto found = blocks.find(before.block);
    if (found == blocks.end()) continue;
    for (const Release& release : found->second) {
      if (release.number < number && covers(release, before)) return true;
    }
  }
  return false;
}

inline bool ordered(const Access& before) {
  if (before.block < machine.first_block) return true;  // an earlier launch, or nobody
  if (before.block == now.block && (before.thread == now.thread || ordered_in_block(before))) {
    return true;
  }
  return published(before);
}

/// A race of one word or byte, if there is one; `name` describes the memory.
template <typename Name>
inline void check_cell(Cell& cell, bool writes, const Name& name) {
  const bool atomic = (now.flags & kAtomic) != 0;
  const Access& write = cell.write;
  if (!(atomic && (write.flags & kAtomic) != 0) && !ordered(write)) {
    stop(describe_race(name(), write, true, now, writes));
  }
  Access& read = cell.read;
  const bool same_epoch = read.block == now.block && read.barrier == now.barrier;
  const bool same_warp = same_epoch && read.thread / kWarpSize == now.thread / kWarpSize;
  if (writes) {
    if (!ordered(read)) stop(describe_race(name(), read, false, now, true));
    // Of many readers only the last one is known. Once the block has seen what others released, the
    // others may be ordered too: they get the benefit of the doubt.
    const bool other_lanes =
        same_warp && (read.flags & kManyLanes) != 0 && !synced(read.thread, read.warp);
    const bool other_warps = same_epoch && (read.flags & kManyWarps) != 0;
    const bool other_blocks = read.block >= machine.first_block && (read.flags & kManyBlocks) != 0;
    if (machine.acquires.empty() && (other_lanes || other_warps || other_blocks)) {
      stop(describe_race_with_one_of_many(name(), other_lanes || other_warps, read, now));
    }
    cell.write = now;
    return;
  }
  uint16_t flags = 0;
  if (read.block >= machine.first_block) {
    flags = read.block == now.block ? read.flags & kManyBlocks : kManyBlocks;
  }
  if (same_epoch) {
    flags |= read.flags & kManyWarps;
    if (!same_warp) {
      flags |= kManyWarps;
    } else if (!synced(read.thread, read.warp)) {
      flags |= read.thread == now.thread ? read.flags & kManyLanes : kManyLanes;
    }
  }
  read = now;
  read.flags = flags;
}

/// Gives the bytes of a word cells of their own.
[[gnu::noinline]] void split(Cell& cell, Cell* bytes) {
  std::fill_n(bytes, kWord, cell);
  cell.write = {};
  cell.write.block = now.block;
  cell.write.flags = kSplit;
}

/// Calls `body` with the cells of an access: that of a word, or, once parts of the word have been
/// accessed, those of its bytes in `mask`.
template <typename Body>
[[gnu::always_inline]] inline void for_each_cell(const MemoryRange& range, size_t word,
                                                 uint8_t mask, const Body& body) {
  Cell* cell = range.cells + word;
  unsigned cells = 1;
  if (mask != 15 || (cell->write.flags & kSplit) != 0) [[unlikely]] {
    Cell* bytes = range.byte_cells + word * kWord;
    if ((cell->write.flags & kSplit) == 0) split(*cell, bytes);
    cell = bytes;
    cells = mask;
  }
  for (; cells != 0; cells >>= 1, ++cell) {
    if ((cells & 1) != 0) body(*cell);
  }
}

/// Calls `body(word address, mask of bytes)` for each word of an access.
template <typename Body>
[[gnu::always_inline]] inline void for_each_word(const void* address, size_t bytes,
                                                 const Body& body) {
  const auto* at = static_cast<const std::byte*>(address);
  const auto* end = at + bytes;
  const size_t offset = reinterpret_cast<uintptr_t>(at) % kWord;
  if (offset == 0 && bytes % kWord == 0) [[likely]] {
    for (; at < end; at += kWord) body(at, uint8_t{15});
    return;
  }
  const std::byte* word = at - offset;
  auto mask = static_cast<uint8_t>(15u << offset & 15u);
  for (; word < end; word += kWord) {
    if (word + kWord > end) mask &= static_cast<uint8_t>((1u << (end - word)) - 1);
    body(word, mask);
    mask = 15;
  }
}

void check_global(const void* address, size_t bytes, bool writes) {
  const char* verb = writes ? "writes" : "reads";
  const bool reads = !writes || (now.flags & kAtomic) != 0;
  for_each_word(address, bytes, [&](const std::byte* word, uint8_t mask) {
    const size_t i = global_memory.word(word);
    WordState& state = global_words[i];
    if ((state.allocated & mask) != mask) {
      stop(describe_access(verb, bytes, now.site, "out of bounds, " + describe_global(address)));
    }
    if (reads && (state.written & mask) != mask) {
      stop(describe_access("reads", bytes, now.site, "global memory that was never written"));
    }
    for_each_cell(global_memory, i, mask,
                  [&](Cell& cell) { check_cell(cell, writes, [] { return "global memory"; }); });
    if (writes) state.written |= mask & 15u;
  });
}

void check_static(const void* address, size_t bytes, bool writes) {
  const char* verb = writes ? "writes" : "reads";
  const bool reads = !writes || (now.flags & kAtomic) != 0;
  const auto* begin = static_cast<const std::byte*>(address);
  const SharedArray* array = find_shared_array(address);
  if (array == nullptr) stop(describe_access(verb, bytes, now.site, "memory of the host"));
  const size_t size = array->dynamic ? machine.call->shared_bytes : array->bytes;
  if (begin + bytes > array->begin + size) {
    stop(describe_access(verb, bytes, now.site,
                         fmt::format("out of bounds, at byte {} of shared array {} of {} bytes",
                                     begin - array->begin, array->name, size)));
  }
  for_each_word(address, bytes, [&](const std::byte* word, uint8_t mask) {
    const size_t i = static_memory.word(word);
    Cell& whole = static_memory.cells[i];
    if (whole.write.block != now.block) whole.write = {};  // an earlier block's
    if (whole.read.block != now.block) whole.read = {};
    for_each_cell(static_memory, i, mask, [&](Cell& cell) {
      if (reads && cell.write.block == 0) {
        stop(describe_access("reads", bytes, now.site,
                             fmt::format("shared array {} at byte {}, never written in this block",
                                         array->name, begin - array->begin)));
      }
      check_cell(cell, writes, [&] { return "shared array " + array->name; });
    });
  });
}

inline void check(const void* address, size_t bytes, bool writes, Site site, uint16_t flags) {
  now.site = site;
  now.flags = flags;
  if ((reinterpret_cast<uintptr_t>(address) & (bytes - 1)) != 0 && std::has_single_bit(bytes)) {
    stop(describe_access(writes ? "writes" : "reads", bytes, now.site, "misaligned address"));
  }
  if (static_memory.contains(address)) {
    check_static(address, bytes, writes);
  } else if (global_memory.contains(address)) {
    check_global(address, bytes, writes);
  } else if (writes || !is_constant(address)) {
    stop(describe_access(writes ? "writes" : "reads", bytes, now.site, "memory of the host"));
  }
}

}  // namespace

void note_progress() {
  now.block = machine.serial();
  now.thread = static_cast<uint16_t>(current->number);
  now.barrier = static_cast<uint16_t>(machine.barrier_epoch);
  now.warp = static_cast<uint16_t>(machine.warps[current->warp].epoch);
  const Fence& fence = current->fence;
  const bool fenced = fence.barrier == static_cast<int>(machine.barrier_epoch);
  now.fences = static_cast<uint16_t>(fenced ? fence.count : 0);
}

// Called for every access: one function without calls on the way.
[[gnu::flatten]] void check_access(const void* address, size_t bytes, bool writes, Site site) {
  check(address, bytes, writes, site, 0);
}

namespace {

/// The running thread sees what has been released at `address`.
void acquire(const void* address) {
  if (!machine.releases.contains(address)) return;
  machine.acquires[{address, current->number, machine.barrier_epoch,
                    machine.warps[current->warp].epoch}] = machine.atomics;
}

/// By thread, the fences that barriers have put before this moment.
std::shared_ptr<const std::vector<Fence>> block_fences() {
  if (machine.block_fences == nullptr) {
    std::vector<Fence> fences;
    for (const Thread& thread : machine.threads) {
      const bool before = thread.fence.barrier < static_cast<int>(machine.barrier_epoch);
      fences.push_back(before ? thread.fence : thread.earlier_fence);
    }
    machine.block_fences = std::make_shared<const std::vector<Fence>>(std::move(fences));
  }
  return machine.block_fences;
}

/// By lane, those of the running thread's warp that a __syncwarp has put there in this barrier
/// epoch; empty where there is none.
std::vector<Fence> warp_fences() {
  std::vector<Fence> fences;
  const Warp& warp = machine.warps[current->warp];
  for (unsigned lane = 0; lane < kWarpSize && (warp.present >> lane & 1) != 0; ++lane) {
    const Thread& thread = machine.threads[current->warp * kWarpSize + lane];
    const bool in_epoch = thread.fence.barrier == static_cast<int>(machine.barrier_epoch);
    if (!in_epoch || &thread == current || !synced(thread.number, thread.fence.warp)) continue;
    fences.resize(kWarpSize);
    fences[lane] = thread.fence;
  }
  return fences;
}

/// What the running thread, or a barrier before it, has fenced is released at `address`.
void release(const void* address) {
  if (!machine.fenced) return;
  auto& releases = machine.releases[address][machine.serial()];
  std::vector<Fence> of_warp = warp_fences();
  if (!releases.empty() && of_warp.empty()) {  // in a loop, nothing new
    const Release& last = releases.back();
    if (last.thread == current->number && last.barrier == machine.barrier_epoch &&
        last.fence.barrier == current->fence.barrier && last.fence.count == current->fence.count &&
        last.warp_fences.empty()) {
      return;
    }
  }
  releases.push_back({.thread = current->number,
                      .barrier = machine.barrier_epoch,
                      .number = machine.atomics,
                      .fence = current->fence,
                      .block_fences = block_fences(),
                      .warp_fences = std::move(of_warp)});
}

}  // namespace

void check_atomic(const void* address, size_t bytes, Site site) {
  const bool global = global_memory.contains(address);
  machine.atomics += 1;
  if (global) acquire(address);  // before the check: it orders what this operation itself finds
  check(address, bytes, true, site, kAtomic);
  if (global) release(address);
}

}  // namespace ember::emulator
