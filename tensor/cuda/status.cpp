#include "tensor/cuda/status.h"

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <cstdlib>

#include "tensor/cuda/check.h"
#include "tensor/cuda/memory.h"

namespace ember::cuda {
namespace {

#ifdef EMBER_EMULATED_CUDA
constexpr bool kEmulated = true;
#else
constexpr bool kEmulated = false;
#endif

std::string reason_for(const Status& found, cudaError_t error) {
  if (found.driver_version == 0) return "there is no NVIDIA driver";
  if (error == cudaErrorInsufficientDriver) {
    return fmt::format("the NVIDIA driver knows CUDA {}, this build needs {}",
                       version_text(found.driver_version), version_text(found.runtime_version));
  }
  if (error == cudaErrorNoDevice) {
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    if (visible == nullptr) return "there is no GPU";
    return fmt::format("CUDA_VISIBLE_DEVICES is '{}' and leaves no GPU", visible);
  }
  return cudaGetErrorString(error);
}

/// Runs a kernel on the first GPU, which shows what no version number does: whether this build has
/// code for its architecture, and whether it can be had at all.
std::string try_kernel() {
  try {
    std::byte* block = allocate(sizeof(uint32_t));
    fill(block, uint32_t{1}, 1);
    synchronize();
    deallocate(block);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

Status find() {
  Status found{
      .emulated = kEmulated, .driver_version = 0, .runtime_version = 0, .gpus = {}, .reason = ""};
  cudaDriverGetVersion(&found.driver_version);
  cudaRuntimeGetVersion(&found.runtime_version);
  int count = 0;
  cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count == 0) error = cudaErrorNoDevice;
  for (int device = 0; device < count && error == cudaSuccess; ++device) {
    cudaDeviceProp properties{};
    error = cudaGetDeviceProperties(&properties, device);
    found.gpus.push_back({.name = properties.name,
                          .architecture = 10 * properties.major + properties.minor,
                          .multiprocessors = properties.multiProcessorCount,
                          .memory_bytes = properties.totalGlobalMem,
                          .cache_bytes = static_cast<size_t>(properties.l2CacheSize)});
  }
  found.reason = error == cudaSuccess ? try_kernel() : reason_for(found, error);
  cudaGetLastError();  // an error that has been told is not the next call's
  return found;
}

}  // namespace

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

const Status& status() {
  static const Status found = find();
  return found;
}

}  // namespace ember::cuda
