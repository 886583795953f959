#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <span>

namespace ember {

/// What a kernel is given for its input.
enum class Given { device_memory, host_memory, freed_memory };

/// A kernel with a fault planted in it, and the same kernel without. `in` holds `n` floats 0, 1,
/// 2, ..; `out` has room for as many and holds zeros if `zeroed`, else nothing yet.
struct Fault {
  using Kernel = void (*)(float* out, const float* in, int n);

  const char* name;  ///< also the kernel's
  Kernel wrong;
  Kernel right;
  const char* report;  ///< how the checker's report on the wrong one begins, with | between what
                       ///< may come first; "" where it finds nothing and the result is wrong
  dim3 grid;
  dim3 block;
  int n = 0;  ///< 0: as many as there are threads
  size_t shared_bytes = 0;
  bool zeroed = false;
  Given given = Given::device_memory;
};

/// A Fault's first three members for the kernel template `name`.
#define EMBER_FAULT(name) #name, name < true>, name < false>

/// Faults in what the threads of a block do together: shared memory, barriers, warps.
std::span<const Fault> block_faults();
/// Faults in global memory, between blocks, or in a thread alone.
std::span<const Fault> grid_faults();

}  // namespace ember
