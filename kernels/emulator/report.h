#pragma once

#include <string>

#include "kernels/emulator/machine.h"
#include "kernels/emulator/memory.h"

/// The words of the checker. Each report names the kernel, the block, the threads and their source
/// lines.
namespace ember::emulator {

std::string describe_divergent_barrier(const Thread& first, const Thread& second);
std::string describe_missing_lane(const Thread& waiting, unsigned lane);
std::string describe_lane_outside_mask(const Thread& thread);
std::string describe_missing_source(const Thread& thread);
/// The running thread shuffles among groups of `width` lanes.
std::string describe_wrong_width(unsigned width);
std::string describe_deadlock();

/// "data race on shared array tile: ...": `now` is what the running thread is about to do.
std::string describe_race(const std::string& where, const Access& before, bool before_writes,
                          const Access& now, bool now_writes);

/// The same where the memory has had several readers, of this block or of others, one of which
/// nothing orders: `last` is the last of them.
std::string describe_race_with_one_of_many(const std::string& where, bool of_this_block,
                                           const Access& last, const Access& now);

/// The block has done something more often than the checker counts.
std::string describe_limit(const char* what, unsigned most);

/// What the running thread is about to do, and why it may not: "writes 4 bytes out of bounds: ...".
std::string describe_access(const char* verb, size_t bytes, Site site, const std::string& fault);

/// A fault of the running thread that is already in words.
std::string describe_index(const std::string& fault);

}  // namespace ember::emulator
