#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <cstdio>
#include <string_view>

#include "tensor/error.h"

namespace ember::cuda {

/// "cudaMalloc(&block, bytes)" as "cudaMalloc".
inline std::string_view name_of_call(std::string_view call) {
  return call.substr(0, call.find('('));
}

[[noreturn]] inline void fail_call(const char* call, cudaError_t error, const char* file,
                                   int line) {
  fail(ExitCode::internal, "{}: {} ({}:{})", name_of_call(call), cudaGetErrorString(error), file,
       line);
}

inline void report_call(const char* call, cudaError_t error) noexcept {
  // At the end of a program the runtime may be gone before the last owner of memory.
  if (error == cudaErrorCudartUnloading) return;
  // After a kernel's fault every call fails with it, and hundreds of tensors are still to be freed.
  static std::atomic<cudaError_t> last{cudaSuccess};
  if (last.exchange(error) == error) return;
  const std::string_view name = name_of_call(call);
  std::fprintf(stderr, "warning: %.*s: %s\n", static_cast<int>(name.size()), name.data(),
               cudaGetErrorString(error));
}

}  // namespace ember::cuda

/// Calls the CUDA runtime; throws Error(internal) that names the call and CUDA's reason.
#define EMBER_CUDA_CHECK(call)                                               \
  do {                                                                       \
    const cudaError_t ember_cuda_error = (call);                             \
    if (ember_cuda_error != cudaSuccess) {                                   \
      ::ember::cuda::fail_call(#call, ember_cuda_error, __FILE__, __LINE__); \
    }                                                                        \
  } while (false)

/// The same for destructors: prints a warning, one for all that follow it with the same reason, and
/// goes on.
#define EMBER_CUDA_REPORT(call)                            \
  do {                                                     \
    const cudaError_t ember_cuda_error = (call);           \
    if (ember_cuda_error != cudaSuccess) {                 \
      ::ember::cuda::report_call(#call, ember_cuda_error); \
    }                                                      \
  } while (false)
