#pragma once

#include <cstddef>

#include "kernels/emulator/machine.h"

/// Counts what the running launch does to memory, for emulator.h's counters().
///
/// Lanes of a warp run one after another here. Their accesses are put together as the warp would
/// have made them: the k-th time that each lane passes one instruction between two barriers.
namespace ember::emulator {

enum class AccessKind { load, store, atomic };
void count_access(const void* address, size_t bytes, AccessKind kind, Site site);

// What the scheduler tells, whether or not anything is counted.
void begin_launch();
void note_barrier();
void note_block_end();

}  // namespace ember::emulator
