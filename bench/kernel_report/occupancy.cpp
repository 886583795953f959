#include "bench/kernel_report/occupancy.h"

#include <limits>

#include "tensor/error.h"

#if __has_include(<cuda_occupancy.h>)
#include <cuda_occupancy.h>

namespace ember {
namespace {

/// CUDA C++ Programming Guide, "Technical Specifications per Compute Capability": KiB of shared
/// memory of an SM. A block may take all but the one that the driver keeps for itself.
struct Multiprocessor {
  int architecture;
  int threads;
  size_t shared_kib;
};
constexpr std::array<Multiprocessor, 3> kMultiprocessors{
    {{80, 2048, 164}, {90, 2048, 228}, {120, 1536, 100}}};
constexpr int kRegisters = 65536;

cudaOccDeviceProp properties_of(int architecture) {
  for (const auto& [number, threads, shared_kib] : kMultiprocessors) {
    if (number != architecture) continue;
    cudaOccDeviceProp properties;
    properties.computeMajor = number / 10;
    properties.computeMinor = number % 10;
    properties.maxThreadsPerBlock = 1024;
    properties.maxThreadsPerMultiprocessor = threads;
    properties.regsPerBlock = kRegisters;
    properties.regsPerMultiprocessor = kRegisters;
    properties.warpSize = 32;
    properties.sharedMemPerBlock = size_t{48} << 10;
    properties.sharedMemPerMultiprocessor = shared_kib << 10;
    properties.numSms = 1;
    properties.sharedMemPerBlockOptin = (shared_kib - 1) << 10;
    properties.reservedSharedMemPerBlock = size_t{1} << 10;
    return properties;
  }
  fail(ExitCode::internal, "the occupancy of sm_{} is not known", architecture);
}

}  // namespace

std::optional<int> resident_warps(int architecture, const CompiledKernel& kernel, int block_threads,
                                  int64_t dynamic_shared_bytes) {
  const cudaOccDeviceProp properties = properties_of(architecture);
  cudaOccFuncAttributes attributes;
  attributes.maxThreadsPerBlock = std::numeric_limits<int>::max();
  attributes.numRegs = kernel.registers;
  attributes.sharedSizeBytes = static_cast<size_t>(kernel.shared_bytes);
  attributes.partitionedGCConfig = PARTITIONED_GC_OFF;
  attributes.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
  attributes.maxDynamicSharedSizeBytes = properties.sharedMemPerBlockOptin;
  attributes.numBlockBarriers = 1;
  const cudaOccDeviceState state;
  cudaOccResult result;
  const cudaOccError error = cudaOccMaxActiveBlocksPerMultiprocessor(
      &result, &properties, &attributes, &state, block_threads,
      static_cast<size_t>(dynamic_shared_bytes));
  EMBER_REQUIRE(error == CUDA_OCC_SUCCESS, "no occupancy of {} threads with {} registers on sm_{}",
                block_threads, kernel.registers, architecture);
  return result.activeBlocksPerMultiprocessor * ((block_threads + 31) / 32);
}

}  // namespace ember

#else

namespace ember {
std::optional<int> resident_warps(int, const CompiledKernel&, int, int64_t) { return {}; }
}  // namespace ember

#endif
