#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/emulator/machine.h"

/// Finds data races, accesses out of bounds and reads of memory that was never written.
///
/// Each word, and each byte where a kernel accesses bytes, remembers its last write and its last
/// read, and whether others have read as well. Two accesses, at least one a write, must be ordered:
/// by a barrier of their block, by a __syncwarp that both lanes took part in, or by a fence behind
/// the first and before an atomic operation, of which the other thread has seen a later one at the
/// same address: its own, or one that a barrier has put before.
///
/// Order is not carried on: what a block has seen of a second one does not count as seen by a third
/// that has seen the first. And once a block has seen what others released, of several readers of a
/// word only the last one is held against its writes.
namespace ember::emulator {

/// The running thread goes on: after a barrier or a __syncwarp, or because its turn has come.
void note_progress();

/// An access of the running thread is about to happen. Stops the launch when it is at fault.
void check_access(const void* address, size_t bytes, bool writes, Site site);
void check_atomic(const void* address, size_t bytes, Site site);

}  // namespace ember::emulator
