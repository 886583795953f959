#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/emulator/machine.h"

/// Finds data races, accesses out of bounds and reads of memory that was never written.
///
/// Each word remembers its last write and its last reads. Two accesses of one word, at least one a
/// write, must be ordered: by a barrier of their block, by a __syncwarp of their warp, or, between
/// blocks, by a fence before an atomic operation that the other block has seen the result of.
namespace ember::emulator {

/// The running thread goes on: after a barrier or a __syncwarp, or because its turn has come.
void note_progress();

/// An access of the running thread is about to happen. Stops the launch when it is at fault.
void check_access(const void* address, size_t bytes, bool writes, Site site);
void check_atomic(const void* address, size_t bytes, Site site);

}  // namespace ember::emulator
