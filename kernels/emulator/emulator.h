#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// The emulated card, as tests, kernel_report and the lessons see it.
///
/// A kernel runs on the calling thread: each CUDA thread is a fiber, blocks run one after another.
/// The order of blocks and of threads is shuffled from a seed. Meanwhile the compiler's hooks show
/// every access of the kernel to one of two readers: the checker, which stops the kernel at the
/// first fault it finds (the launch then fails with the report as its error), or the counters.
namespace ember::emulator {

/// Seed of the order in which blocks and threads run.
void set_seed(uint64_t seed);

enum class Watch {
  nothing,   ///< run as fast as it goes
  faults,    ///< the default
  counters,  ///< see counters()
};
void set_watch(Watch watch);

/// False in a build whose kernels are compiled without the hooks (the asan preset): then nothing is
/// checked or counted here.
bool has_hooks();

/// How one kind of access used its memory. A request is what the lanes of a warp ask for with one
/// instruction.
struct AccessCounters {
  int64_t requests = 0;
  int64_t lanes = 0;         ///< lanes that took part, of 32 a request
  int64_t bytes = 0;         ///< asked for by the lanes
  int64_t transactions = 0;  ///< global: 32-byte sectors; shared: passes over the 32 banks
  int64_t fewest = 0;        ///< transactions if the same bytes lay side by side
};

/// What one launch, or several, have done.
struct KernelCounters {
  int64_t launches = 0;
  int64_t blocks = 0;
  int64_t threads = 0;
  int64_t barriers = 0;       ///< summed over blocks
  int64_t distinct_read = 0;  ///< bytes of the sectors read, each counted once a launch
  int64_t distinct_written = 0;
  AccessCounters global_load;
  AccessCounters global_store;
  AccessCounters shared_load;
  AccessCounters shared_store;
  AccessCounters atomics;

  KernelCounters& operator+=(const KernelCounters& other);
};

/// One launch that was counted.
struct CountedLaunch {
  std::string kernel;  ///< its name, without namespaces
  std::string label;   ///< of the launches at the time it was queued
  std::array<unsigned, 3> grid;
  std::array<unsigned, 3> block;
  int64_t dynamic_shared_bytes = 0;  ///< of a block
  KernelCounters counters;
};

/// Whether launches return at once and leave memory as it is: to bring a program to its steady
/// state in no time.
void set_dry_run(bool dry);

/// "depthwise_forward_kernel<3, 1>" of a mangled symbol: without its scope and parameters, the name
/// that the counters have of a kernel.
std::string kernel_name(const std::string& symbol);

/// What the launches queued from now on belong to, a layer for instance.
void set_launch_label(std::string label);

/// The launches since the last reset, in order.
const std::vector<CountedLaunch>& counted_launches();
/// Their counters by the kernel's name.
std::map<std::string, KernelCounters> counters();
void reset_counters();

}  // namespace ember::emulator
