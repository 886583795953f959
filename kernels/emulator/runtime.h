#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/emulator/vector_types.h"

// NOLINTBEGIN(bugprone-*,google-*,readability-*): the names are CUDA's

/// The part of CUDA's runtime API that Ember and its tests call, on the emulated card. Streams run
/// what they are given at once, in order; a stream that is being captured records it instead.
/// Names, values and meanings are NVIDIA's (CUDA Runtime API reference).

enum cudaError_t : int {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorCudartUnloading = 4,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNotReady = 600,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901
};
const char* cudaGetErrorName(cudaError_t error);
/// For a kernel that the checker has stopped, its report.
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();

// Devices ----------------------------------------------------------------------------------------

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  size_t sharedMemPerBlock;
  size_t sharedMemPerBlockOptin;
  int major;
  int minor;
  int multiProcessorCount;
  int warpSize;
  int maxThreadsPerBlock;
  int l2CacheSize;
};
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaDeviceSynchronize();

// Streams and events -----------------------------------------------------------------------------

namespace ember::emulator {
struct Stream;
struct Event;
struct Graph;
}  // namespace ember::emulator
using cudaStream_t = ember::emulator::Stream*;
using cudaEvent_t = ember::emulator::Event*;
using cudaGraph_t = ember::emulator::Graph*;
using cudaGraphExec_t = ember::emulator::Graph*;

inline constexpr unsigned cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDefault = 0;
inline constexpr unsigned cudaEventDisableTiming = 2;
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = nullptr);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
/// Milliseconds of this machine's clock: emulated time says nothing about a card.
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end);

// Memory -----------------------------------------------------------------------------------------

enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
inline constexpr unsigned cudaHostAllocDefault = 0;
cudaError_t cudaMalloc(void** pointer, size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t stream);
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream);
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* pointer);
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream = nullptr);
cudaError_t cudaMemset(void* to, int value, size_t bytes);
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream = nullptr);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);

struct cudaMemPool_st;
using cudaMemPool_t = cudaMemPool_st*;
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value);

// Graphs -----------------------------------------------------------------------------------------

enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone,
  cudaStreamCaptureStatusActive,
  cudaStreamCaptureStatusInvalidated
};
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long flags = 0);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);

// Kernels ----------------------------------------------------------------------------------------

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };

namespace ember::emulator {

/// A kernel with its arguments, as a stream keeps it.
struct KernelCall {
  const void* kernel;
  void (*invoke)(const void* kernel, void* const* arguments);
  dim3 grid;
  dim3 block;
  size_t shared_bytes;
  std::vector<std::vector<std::byte>> arguments;
  std::string label{};  ///< see set_launch_label
};

/// Runs the call, or adds it to the stream's graph.
cudaError_t enqueue(cudaStream_t stream, KernelCall call);
cudaError_t set_attribute(const void* kernel, cudaFuncAttribute attribute, int value);

template <typename... P, size_t... I>
__attribute__((no_sanitize("thread"))) void call_with(void (*kernel)(P...), void* const* arguments,
                                                      std::index_sequence<I...>) {
  kernel(*static_cast<P*>(arguments[I])...);
}

/// The call itself, which the checker does not look at.
template <typename... P>
__attribute__((no_sanitize("thread"))) void invoke(const void* kernel, void* const* arguments) {
  call_with(reinterpret_cast<void (*)(P...)>(reinterpret_cast<uintptr_t>(kernel)), arguments,
            std::index_sequence_for<P...>());
}

template <typename T>
std::vector<std::byte> bytes_of(const void* argument) {
  static_assert(std::is_trivially_copyable_v<T>, "a kernel's arguments are copied byte by byte");
  std::vector<std::byte> bytes(sizeof(T));
  std::memcpy(bytes.data(), argument, sizeof(T));
  return bytes;
}

template <typename... P, size_t... I>
KernelCall make_call(void (*kernel)(P...), dim3 grid, dim3 block, [[maybe_unused]] void** arguments,
                     size_t shared_bytes, std::index_sequence<I...>) {
  return {.kernel = reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(kernel)),
          .invoke = &invoke<P...>,
          .grid = grid,
          .block = block,
          .shared_bytes = shared_bytes,
          .arguments = {bytes_of<P>(arguments[I])...}};
}

}  // namespace ember::emulator

template <typename... P>
cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** arguments,
                             size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  return ember::emulator::enqueue(
      stream, ember::emulator::make_call(kernel, grid, block, arguments, shared_bytes,
                                         std::index_sequence_for<P...>()));
}

template <typename... P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute attribute, int value) {
  return ember::emulator::set_attribute(
      reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(kernel)), attribute, value);
}

// NOLINTEND(bugprone-*,google-*,readability-*)
