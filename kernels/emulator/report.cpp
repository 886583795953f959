#include "kernels/emulator/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "kernels/emulator/call_stack.h"
#include "kernels/emulator/symbols.h"

namespace ember::emulator {
namespace {

std::string name_of(const uint3& index) {
  return fmt::format("({}, {}, {})", index.x, index.y, index.z);
}

/// "thread (3, 0, 0)", by its number in a block of this launch's shape.
std::string thread_name(unsigned number) {
  return "thread " + name_of(index_of(number, machine.call->block));
}

std::string block_name(uint32_t number) {
  return "block " + name_of(index_of(number, machine.call->grid));
}

/// What every report ends with.
std::string in_kernel() {
  return fmt::format(" in {}, {}", kernel_name(machine.call->kernel), block_name(machine.block));
}

const char* name_of(const Thread& thread) {
  if (thread.state == State::at_barrier) return "__syncthreads";
  constexpr const char* kNames[] = {"a shuffle", "a vote", "__syncwarp"};
  return kNames[static_cast<int>(thread.waiting.operation)];
}

std::string describe_pair(const std::string& where, const std::string& other, const char* does,
                          const Access& before, const Access& now, const char* does_now) {
  return fmt::format("data race on {}: {} {} it ({}) and {} {} it ({}), with nothing to order them",
                     where, other, does, source_line(before.site), thread_name(now.thread),
                     does_now, source_line(now.site)) +
         in_kernel();
}

const char* verb(const Access& access, bool writes) {
  return (access.flags & kAtomic) != 0 ? "atomically changes" : writes ? "writes" : "reads";
}

}  // namespace

std::string describe_divergent_barrier(const Thread& first, const Thread& second) {
  const std::vector<std::string> a = lines_of_calls(first);
  const std::vector<std::string> b = lines_of_calls(second);
  // In a helper, what differs is where it was called.
  const size_t shorter = std::min(a.size(), b.size());
  size_t i = 0;
  while (i + 1 < shorter && a[i] == b[i]) ++i;
  const std::string where = i == 0 ? "" : fmt::format(" ({})", a[0]);
  return fmt::format("divergent barrier: {} is at the __syncthreads{} of {}, {} at that of {}",
                     thread_name(first.number), where, a[i], thread_name(second.number), b[i]) +
         in_kernel();
}

std::string describe_missing_lane(const Thread& waiting, unsigned lane) {
  return fmt::format("missing lane: {} waits in {} ({}) for lane {}, which has returned",
                     thread_name(waiting.number), name_of(waiting), source_line(waiting.site),
                     lane) +
         in_kernel();
}

std::string describe_lane_outside_mask(const Thread& thread) {
  return fmt::format(
             "wrong mask: {} calls {} ({}) with mask {:#010x}, which leaves out its lane {}",
             thread_name(thread.number), name_of(thread), source_line(thread.site),
             thread.waiting.mask, thread.lane) +
         in_kernel();
}

std::string describe_missing_source(const Thread& thread) {
  return fmt::format(
             "undefined shuffle: {} ({}) reads lane {}, which takes no part (mask {:#010x})",
             thread_name(thread.number), source_line(thread.site), thread.waiting.source,
             thread.waiting.mask) +
         in_kernel();
}

std::string describe_wrong_width(unsigned width) {
  return fmt::format("wrong width: {} shuffles ({}) among {} lanes, not a power of two up to {}",
                     thread_name(current->number), source_line(current->site), width, kWarpSize) +
         in_kernel();
}

std::string describe_deadlock() {
  unsigned at_barrier = 0;
  unsigned at_warp_operation = 0;
  const Thread* barrier = nullptr;
  const Thread* warp = nullptr;
  for (const Thread& thread : machine.threads) {
    if (thread.state == State::at_barrier) {
      ++at_barrier;
      barrier = &thread;
    } else if (thread.state == State::at_warp_operation) {
      ++at_warp_operation;
      warp = &thread;
    }
  }
  std::string text = "deadlock:";
  if (barrier != nullptr) {
    text += fmt::format(" {} threads wait at __syncthreads ({})", at_barrier,
                        source_line(barrier->site));
  }
  if (warp != nullptr) {
    text += fmt::format("{} {} in warp operations, {} in {} ({}) with mask {:#010x}",
                        barrier == nullptr ? "" : ",", at_warp_operation, thread_name(warp->number),
                        name_of(*warp), source_line(warp->site), warp->waiting.mask);
  }
  return text + in_kernel();
}

std::string describe_race(const std::string& where, const Access& before, bool before_writes,
                          const Access& now, bool now_writes) {
  std::string other = thread_name(before.thread);
  if (before.block != now.block) {
    other += " of " + block_name(before.block - machine.first_block);
  }
  return describe_pair(where, other, verb(before, before_writes), before, now,
                       verb(now, now_writes));
}

std::string describe_race_with_one_of_many(const std::string& where, bool of_this_block,
                                           const Access& last, const Access& now) {
  const char* other = of_this_block ? "another thread" : "a thread of another block";
  return describe_pair(where, other, "reads", last, now, verb(now, true));
}

std::string describe_limit(const char* what, unsigned most) {
  return fmt::format("too many {}: the checker counts {} of a block's", what, most) + in_kernel();
}

std::string describe_access(const char* verb, size_t bytes, Site site, const std::string& fault) {
  return fmt::format("{}: {} {} {} bytes ({})", fault, thread_name(current->number), verb, bytes,
                     source_line(site)) +
         in_kernel();
}

std::string describe_index(const std::string& fault) {
  return fmt::format("{}: {}", fault, thread_name(current->number)) + in_kernel();
}

}  // namespace ember::emulator
