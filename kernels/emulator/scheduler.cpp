// Blocks, barriers and warp operations.
//
// A fiber that has run a thread to its end takes the next one, so a kernel without barriers needs a
// single fiber.
#include <algorithm>
#include <bit>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "kernels/emulator/call_stack.h"
#include "kernels/emulator/checker.h"
#include "kernels/emulator/counters.h"
#include "kernels/emulator/fiber.h"
#include "kernels/emulator/machine.h"
#include "kernels/emulator/memory.h"
#include "kernels/emulator/report.h"

namespace ember::emulator {

Machine machine;
constinit thread_local Thread* current = nullptr;
constinit thread_local const std::byte* current_stack = nullptr;

namespace {

Thread* starting = nullptr;  ///< the thread that the fiber about to run takes
bool stopped = false;

/// xorshift64*: cheap enough to shuffle a block's threads at each barrier.
class Shuffler {
 public:
  explicit Shuffler(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 0x2545F4914F6CDD1Du) {}
  template <typename T>
  void shuffle(std::span<T> items) {
    for (size_t i = items.size(); i > 1; --i) {
      state_ ^= state_ >> 12;
      state_ ^= state_ << 25;
      state_ ^= state_ >> 27;
      const uint64_t draw = (state_ * 0x2545F4914F6CDD1Du) >> 32;
      std::swap(items[i - 1], items[draw * i >> 32]);
    }
  }

 private:
  uint64_t state_;
};

std::vector<void*> argument_pointers;

void thread_returned();

/// What every fiber does again and again: one thread.
void run_thread() {
  current = starting;
  machine.call->invoke(machine.call->kernel, argument_pointers.data());
  Fiber* fiber = current->fiber;
  thread_returned();
  switch_to_scheduler(*fiber);
}

/// The fibers of the running block's threads.
std::vector<std::unique_ptr<Fiber>> busy_fibers;

void release_fiber(Thread& thread) {
  keep_fiber(std::move(busy_fibers[thread.number]));
  thread.fiber = nullptr;
}

/// Lets a thread run until it waits or returns.
void resume(Thread& thread) {
  if (thread.fiber == nullptr) {
    busy_fibers[thread.number] = take_fiber();
    thread.fiber = busy_fibers[thread.number].get();
    starting = &thread;
  }
  current = &thread;
  current_stack = thread.fiber->stack;
  note_progress();
  switch_to_fiber(*thread.fiber, run_thread);
  current = nullptr;
}

// What a cell counts to (see Access).
constexpr unsigned kMostEpochs = 65535;
constexpr unsigned kMostFences = 2047;

std::vector<Thread*> ready;  ///< taken from the back

void make_ready(Thread& thread) {
  thread.state = State::ready;
  ready.push_back(&thread);
}

Shuffler* shuffler = nullptr;

void open_barrier() {
  machine.barrier_result = {machine.predicates, machine.arrived};
  machine.arrived = 0;
  machine.predicates = 0;
  machine.barrier_epoch += 1;
  machine.block_fences = nullptr;
  if (machine.barrier_epoch > kMostEpochs) stop(describe_limit("__syncthreads", kMostEpochs));
  note_barrier();
  for (Thread& thread : machine.threads) {
    if (thread.state == State::at_barrier) make_ready(thread);
  }
  shuffler->shuffle(std::span(ready));
}

/// Lanes that the warp operation of `thread` waits for.
unsigned wanted_lanes(const Thread& thread) {
  const Warp& warp = machine.warps[thread.warp];
  return thread.waiting.mask & warp.present & ~warp.returned;
}

/// These lanes have met in a __syncwarp.
void note_sync(unsigned warp_number, unsigned lanes) {
  Warp& warp = machine.warps[warp_number];
  warp.epoch += 1;
  if (warp.epoch > kMostEpochs) stop(describe_limit("__syncwarp", kMostEpochs));
  if (lanes == warp.present) {
    warp.whole = warp.epoch;
    return;
  }
  warp.pairs.resize(size_t{kWarpSize} * kWarpSize);
  for (unsigned a = lanes; a != 0; a &= a - 1) {
    for (unsigned b = lanes; b != 0; b &= b - 1) {
      const auto row = static_cast<unsigned>(std::countr_zero(a));
      warp.pairs[row * kWarpSize + static_cast<unsigned>(std::countr_zero(b))] = warp.epoch;
    }
  }
}

/// Finishes the warp operation of `thread` if all its lanes have come.
bool complete_warp_operation(Thread& thread) {
  Thread* lanes = &machine.threads[thread.warp * kWarpSize];
  const unsigned wanted = wanted_lanes(thread);
  unsigned votes = 0;
  for (unsigned rest = wanted; rest != 0; rest &= rest - 1) {
    const Thread& other = lanes[std::countr_zero(rest)];
    if (other.state != State::at_warp_operation || other.waiting.mask != thread.waiting.mask ||
        other.waiting.operation != thread.waiting.operation ||
        other.waiting.kind != thread.waiting.kind) {
      return false;
    }
    if (other.waiting.value != 0) votes |= 1u << other.lane;
  }
  if (thread.waiting.operation == WarpOperation::sync) note_sync(thread.warp, wanted);
  for (unsigned rest = wanted; rest != 0; rest &= rest - 1) {
    Waiting& waiting = lanes[std::countr_zero(rest)].waiting;
    waiting.result = waiting.operation == WarpOperation::vote ? votes
                     : waiting.source < kWarpSize             ? lanes[waiting.source].waiting.value
                                                              : 0;
  }
  const size_t first = ready.size();
  for (unsigned rest = wanted; rest != 0; rest &= rest - 1) {
    Thread& other = lanes[std::countr_zero(rest)];
    if (&other == current) {
      other.state = State::ready;
    } else {
      make_ready(other);
    }
  }
  shuffler->shuffle(std::span(ready).subspan(first));
  return true;
}

void thread_returned() {
  Thread& thread = *current;
  thread.state = State::returned;
  machine.running -= 1;
  Warp& warp = machine.warps[thread.warp];
  warp.returned |= 1u << thread.lane;
  // Whoever waited for this thread alone goes on.
  if (machine.arrived > 0 && machine.arrived == machine.running) open_barrier();
  for (unsigned rest = warp.present & ~warp.returned; rest != 0; rest &= rest - 1) {
    Thread& other =
        machine.threads[thread.warp * kWarpSize + static_cast<unsigned>(std::countr_zero(rest))];
    if (other.state != State::at_warp_operation || (other.waiting.mask >> thread.lane & 1) == 0) {
      continue;
    }
    if (other.waiting.operation == WarpOperation::shuffle) {
      stop(describe_missing_lane(other, thread.lane));
    }
    complete_warp_operation(other);
  }
}

void begin_block(const KernelCall& call, uint32_t number) {
  const unsigned count = call.block.x * call.block.y * call.block.z;
  machine.block = number;
  machine.block_index = index_of(number, call.grid);
  machine.barrier_epoch = 0;
  machine.arrived = 0;
  machine.predicates = 0;
  machine.running = count;
  machine.fenced = false;
  machine.block_fences = nullptr;
  machine.acquires.clear();
  machine.threads.resize(count);
  machine.warps.assign((count + kWarpSize - 1) / kWarpSize, {});
  busy_fibers.resize(count);
  ready.clear();
  for (unsigned i = 0; i < count; ++i) {
    Thread& thread = machine.threads[i];
    thread.index = index_of(i, call.block);
    thread.number = i;
    thread.warp = i / kWarpSize;
    thread.lane = i % kWarpSize;
    thread.fiber = nullptr;
    thread.fence = {};
    thread.earlier_fence = {};
    machine.warps[thread.warp].present |= 1u << thread.lane;
    make_ready(thread);
  }
  shuffler->shuffle(std::span(ready));
}

/// Runs one block; false when it was stopped.
bool run_block() {
  while (!ready.empty()) {
    Thread& thread = *ready.back();
    ready.pop_back();
    resume(thread);
    if (stopped) return false;
    if (thread.state == State::returned) release_fiber(thread);
  }
  if (machine.running > 0) {
    machine.fault = describe_deadlock();
    return false;
  }
  return true;
}

/// Leaves the value of its warp operation in current->waiting.result.
void warp_operation(WarpOperation operation, int kind, unsigned mask, uint64_t value,
                    unsigned source, const void* return_address) {
  Thread& thread = *current;
  const Warp& warp = machine.warps[thread.warp];
  thread.site = site_of(return_address);
  thread.waiting = {operation, kind, mask, value, source, 0};
  if ((mask >> thread.lane & 1) == 0) stop(describe_lane_outside_mask(thread));
  // Who has returned takes no part; but a shuffle would read of it what nobody knows.
  const unsigned gone = mask & warp.returned;
  if (gone != 0 && operation == WarpOperation::shuffle) {
    stop(describe_missing_lane(thread, static_cast<unsigned>(std::countr_zero(gone))));
  }
  if (source < kWarpSize && (mask & warp.present & ~warp.returned & 1u << source) == 0) {
    stop(describe_missing_source(thread));
  }
  thread.state = State::at_warp_operation;
  if (complete_warp_operation(thread)) return note_progress();
  switch_to_scheduler(*thread.fiber);
}

}  // namespace

void stop(std::string fault) {
  machine.fault = std::move(fault);
  stopped = true;
  switch_to_scheduler(*current->fiber);
  __builtin_unreachable();
}

bool run(const KernelCall& call, uint64_t seed) {
  const uint32_t blocks = call.grid.x * call.grid.y * call.grid.z;
  Shuffler order(seed);
  shuffler = &order;
  stopped = false;
  machine.call = &call;
  machine.fault.clear();
  machine.releases.clear();
  machine.atomics = 0;
  argument_pointers.clear();
  for (const auto& argument : call.arguments) {
    argument_pointers.push_back(const_cast<std::byte*>(argument.data()));
  }
  begin_launch();
  std::vector<uint32_t> numbers(blocks);
  std::iota(numbers.begin(), numbers.end(), 0u);
  order.shuffle(std::span(numbers));
  bool whole = true;
  for (uint32_t number : numbers) {
    begin_block(call, number);
    whole = run_block();
    note_block_end();
    if (!whole) break;
  }
  if (!whole) {  // the stacks of threads that never returned are begun anew
    for (auto& fiber : busy_fibers) {
      if (fiber == nullptr) continue;
      begin_anew(*fiber);
      keep_fiber(std::move(fiber));
    }
  }
  machine.first_block += blocks;
  machine.call = nullptr;
  return whole;
}

// What kernels call ------------------------------------------------------------------------------

uint3 thread_index() { return current->index; }
uint3 block_index() { return machine.block_index; }
uint3 block_size() {
  const dim3& size = machine.call->block;
  return {size.x, size.y, size.z};
}
uint3 grid_size() {
  const dim3& size = machine.call->grid;
  return {size.x, size.y, size.z};
}

BarrierResult barrier(int predicate) {
  Thread& thread = *current;
  thread.site = site_of(__builtin_return_address(0));
  thread.frame = __builtin_frame_address(0);
  machine.arrived += 1;
  machine.predicates += predicate != 0 ? 1 : 0;
  if (machine.arrived == 1) machine.first_at_barrier = &thread;
  const Thread& first = *machine.first_at_barrier;
  if (!same_calls(first, thread)) stop(describe_divergent_barrier(first, thread));
  if (machine.arrived == machine.running) {
    open_barrier();
    note_progress();
  } else {
    thread.state = State::at_barrier;
    switch_to_scheduler(*thread.fiber);
  }
  return machine.barrier_result;
}

uint64_t shuffle(Shuffle kind, unsigned mask, uint64_t value, unsigned argument, unsigned width) {
  current->site = site_of(__builtin_return_address(0));
  if (width > kWarpSize || !std::has_single_bit(width)) stop(describe_wrong_width(width));
  const unsigned lane = current->lane;
  const unsigned first = lane / width * width;  // of the lanes that exchange among themselves
  const unsigned last = first + width - 1;
  unsigned source = lane;
  switch (kind) {
    case Shuffle::index:
      source = first + argument % width;
      break;
    case Shuffle::up:
      if (lane >= first + argument) source = lane - argument;
      break;
    case Shuffle::down:
      if (lane + argument <= last) source = lane + argument;
      break;
    case Shuffle::exchange:
      if ((lane ^ argument) <= last) source = lane ^ argument;
      break;
  }
  warp_operation(WarpOperation::shuffle, static_cast<int>(kind), mask, value, source,
                 __builtin_return_address(0));
  return current->waiting.result;
}

unsigned vote(Vote kind, unsigned mask, bool predicate) {
  warp_operation(WarpOperation::vote, static_cast<int>(kind), mask, predicate ? 1 : 0, kWarpSize,
                 __builtin_return_address(0));
  return static_cast<unsigned>(current->waiting.result);
}

void sync_warp(unsigned mask) {
  warp_operation(WarpOperation::sync, 0, mask, 0, kWarpSize, __builtin_return_address(0));
}

void fence() {
  Fence& fence = current->fence;
  const Warp& warp = machine.warps[current->warp];
  const auto barrier = static_cast<int>(machine.barrier_epoch);
  machine.fenced = true;
  if (fence.barrier != barrier) {
    current->earlier_fence = std::exchange(fence, {.barrier = barrier});
  }
  fence.count += 1;
  if (fence.count > kMostFences) stop(describe_limit("__threadfence", kMostFences));
  fence.warp = warp.epoch;
  fence.syncs.resize(kWarpSize);
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    fence.syncs[lane] = warp.last_common_sync(lane, current->lane);
  }
  note_progress();
}

}  // namespace ember::emulator
