#pragma once

#include <cuda_runtime.h>

/// What the emulated half says in other words: everything else of a kernel is the same source.
namespace ember::cuda {

/// The shared memory that a launch asks for by LaunchConfig::shared_bytes, 16-byte aligned.
#ifdef EMBER_EMULATED_CUDA
template <typename T>
T* dynamic_shared() {
  return reinterpret_cast<T*>(emulator::dynamic_shared_memory());
}
#else
template <typename T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
}
#endif

}  // namespace ember::cuda
