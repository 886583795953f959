#include "kernels/emulator/checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "kernels/emulator/emulator.h"
#include "kernels/emulator/memory.h"
#include "kernels/emulator/report.h"

namespace ember::emulator {
namespace {

int64_t accesses = 0;

/// The running thread's place in the order of things; what it does next is recorded under it.
Access now{};

/// Whether a barrier or fence puts `before`, of another thread of this block, before `now`.
bool ordered_in_block(const Access& before) {
  if (before.barrier != now.barrier) return true;
  return before.thread / kWarpSize == now.thread / kWarpSize && before.warp != now.warp;
}

/// What a block has published through the counter at `address`; null where it has not.
Release* find_release(uint32_t block, const void* address) {
  auto& releases = machine.releases[block];
  const auto found =
      std::find_if(releases.begin(), releases.end(),
                   [address](const Release& release) { return release.address == address; });
  return found == releases.end() ? nullptr : &*found;
}

/// Whether the running block has seen an atomic operation behind which `before`, of another block
/// of this launch, had been fenced.
bool ordered_between_blocks(const Access& before, const void* address) {
  if (machine.acquired == nullptr) return false;
  const Release* release = find_release(before.block - machine.first_block, machine.acquired);
  if (release == nullptr) return false;
  const bool acquired =
      current->number == machine.acquiring_thread || machine.barrier_epoch > machine.acquire_epoch;
  if (!acquired) return false;
  if (address == release->address) return true;  // the counter itself
  const int epoch = before.barrier;
  const int own_fence = release->fence_epochs[before.thread];
  const bool by_releasing_thread =
      before.thread == release->thread && epoch <= release->fence_epoch;
  return by_releasing_thread || epoch < release->fence_epoch || epoch <= own_fence;
}

inline bool ordered(const Access& before, const void* address) {
  if (before.block == now.block) return before.thread == now.thread || ordered_in_block(before);
  if (before.block < machine.first_block) return true;  // an earlier launch, or nobody
  return ordered_between_blocks(before, address);
}

/// A race of one word, if there is one; `name` describes the memory.
template <typename Name>
inline void check_word(Cell& cell, bool writes, const void* address, const Name& name) {
  const bool atomic = (now.flags & kAtomic) != 0;
  const Access& write = cell.write;
  if ((write.bytes & now.bytes) != 0 && !(atomic && (write.flags & kAtomic) != 0) &&
      !ordered(write, address)) {
    stop(describe_race(name(), write, true, now, writes));
  }
  Access& read = cell.read;
  if (writes) {
    if ((read.bytes & now.bytes) != 0 && read.block >= machine.first_block) {
      // Several readers share one record: other lanes of this thread's warp, or other warps.
      const bool same_epoch = read.block == now.block && read.barrier == now.barrier;
      const bool same_warp = read.thread / kWarpSize == now.thread / kWarpSize;
      const bool others =
          same_epoch && ((read.flags & kManyWarps) != 0 ||
                         ((read.flags & kManyLanes) != 0 && same_warp && read.warp == now.warp));
      if (others || !ordered(read, address)) {
        stop(describe_race(name(), read, false, now, true));
      }
    }
    cell.write = now;
    return;
  }
  uint8_t flags = 0;
  uint8_t bytes = now.bytes;
  if (read.block == now.block && read.barrier == now.barrier) {
    bytes |= read.bytes;
    flags = read.flags & kManyWarps;
    if (read.thread != now.thread) {
      if (read.thread / kWarpSize != now.thread / kWarpSize) flags |= kManyWarps;
      if (read.thread / kWarpSize == now.thread / kWarpSize && read.warp == now.warp) {
        flags |= kManyLanes;
      }
    } else if (read.warp == now.warp) {
      flags |= read.flags & kManyLanes;
    }
  }
  read = now;
  read.flags = flags;
  read.bytes = bytes;
}

/// Calls `body(word address, mask of bytes)` for each word of an access.
template <typename Body>
inline void for_each_word(const void* address, size_t bytes, const Body& body) {
  const auto* at = static_cast<const std::byte*>(address);
  const auto* end = at + bytes;
  const size_t offset = reinterpret_cast<uintptr_t>(at) % kWord;
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
  for_each_word(address, bytes, [&](const std::byte* word, uint8_t mask) {
    const size_t i = global_memory.word(word);
    WordState& state = global_words[i];
    if ((state.allocated & mask) != mask) {
      stop(describe_access(verb, bytes, now.site, "out of bounds, " + describe_global(address)));
    }
    const bool reads = !writes || (now.flags & kAtomic) != 0;
    if (reads && (state.written & mask) != mask) {
      stop(describe_access("reads", bytes, now.site, "global memory that was never written"));
    }
    now.bytes = mask;
    check_word(global_memory.cells[i], writes, word, [] { return "global memory"; });
    if (writes) state.written |= mask & 15u;
  });
}

/// The shared array of the latest access: the next one is mostly of the same.
const SharedArray* latest_array = nullptr;

void check_static(const void* address, size_t bytes, bool writes) {
  const char* verb = writes ? "writes" : "reads";
  const auto* begin = static_cast<const std::byte*>(address);
  const SharedArray* array = latest_array;
  if (array == nullptr || static_cast<size_t>(begin - array->begin) >= array->bytes) {
    array = latest_array = find_shared_array(address);
    if (array == nullptr) stop(describe_access(verb, bytes, now.site, "memory of the host"));
  }
  const size_t size = array->dynamic ? machine.call->shared_bytes : array->bytes;
  if (begin + bytes > array->begin + size) {
    stop(describe_access(verb, bytes, now.site,
                         fmt::format("out of bounds, at byte {} of shared array {} of {} bytes",
                                     begin - array->begin, array->name, size)));
  }
  for_each_word(address, bytes, [&](const std::byte* word, uint8_t mask) {
    Cell& cell = static_memory.cells[static_memory.word(word)];
    if (cell.write.block != now.block) cell.write = {};  // an earlier block's
    if (cell.read.block != now.block) cell.read = {};
    if (!writes && cell.write.block == 0) {
      stop(describe_access(verb, bytes, now.site,
                           fmt::format("shared array {} at byte {}, never written in this block",
                                       array->name, begin - array->begin)));
    }
    now.bytes = mask;
    check_word(cell, writes, word, [&] { return "shared array " + array->name; });
  });
}

inline void check(const void* address, size_t bytes, bool writes, Site site, uint8_t flags) {
  ++accesses;
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

int64_t checked_accesses() { return accesses; }

void note_progress() {
  now.block = machine.serial();
  now.thread = static_cast<uint16_t>(current->number);
  now.barrier = static_cast<uint16_t>(machine.barrier_epoch);
  now.warp = static_cast<uint16_t>(machine.warps[current->warp].epoch);
}

void check_access(const void* address, size_t bytes, bool writes, Site site) {
  check(address, bytes, writes, site, 0);
}

void check_atomic(const void* address, size_t bytes, Site site) {
  if (global_memory.contains(address)) {
    // Seen before the check: it orders what this atomic itself finds.
    machine.acquired = address;
    machine.acquiring_thread = current->number;
    machine.acquire_epoch = machine.barrier_epoch;
  }
  check(address, bytes, true, site, kAtomic);
  if (!global_memory.contains(address)) return;
  Release* known = find_release(machine.block, address);
  Release& release = known != nullptr ? *known : machine.releases[machine.block].emplace_back();
  release.address = address;
  release.thread = current->number;
  release.fence_epoch = current->fence_epoch;
  release.fence_epochs.resize(machine.threads.size());
  for (const Thread& thread : machine.threads) {
    // A fence of another thread counts once a barrier has put it before this atomic.
    const bool before = thread.fence_epoch < static_cast<int>(machine.barrier_epoch);
    release.fence_epochs[thread.number] = before ? thread.fence_epoch : -1;
  }
}

}  // namespace ember::emulator
