#include "kernels/emulator/runtime.h"

#include <chrono>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <utility>

#include "kernels/emulator/emulator.h"
#include "kernels/emulator/machine.h"
#include "kernels/emulator/memory.h"

// NOLINTBEGIN(bugprone-*,google-*,readability-*): the names are CUDA's

namespace ember::emulator {

using Work = std::function<cudaError_t()>;

struct Graph {
  std::vector<Work> work;
};

struct Stream {
  bool invalidated = false;  ///< something that cannot be captured was asked for meanwhile
  std::vector<Work> captured;
};

struct Event {
  std::chrono::steady_clock::time_point time;
  uint64_t submission = 0;  ///< its own number
  bool asked = false;       ///< since it was recorded
};

namespace {

// One kernel runs at a time, whichever host thread asks.
std::recursive_mutex running;

uint64_t seed = 1;
uint64_t launches = 0;
uint64_t submissions = 0;  ///< of work to any stream
thread_local cudaError_t last_error = cudaSuccess;
std::string last_fault;
std::set<Stream*> capturing;
std::string launch_label;
bool dry_run = false;
std::map<const void*, int> most_dynamic_shared;

Stream& stream_or_default(cudaStream_t stream) {
  static Stream default_stream;
  return stream != nullptr ? *stream : default_stream;
}

cudaError_t fail_with(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

/// Does the work now, or keeps it for the graph that the stream is captured into.
cudaError_t submit(cudaStream_t stream, Work work) {
  const std::lock_guard lock(running);
  Stream& target = stream_or_default(stream);
  submissions += 1;
  if (!capturing.contains(&target)) return fail_with(work());
  target.captured.push_back(std::move(work));
  return cudaSuccess;
}

/// Calls that wait for the card spoil a capture; those that concern no one stream, every capture.
cudaError_t refuse_in_capture(cudaStream_t stream) {
  const std::lock_guard lock(running);
  if (stream != nullptr ? !capturing.contains(stream) : capturing.empty()) return cudaSuccess;
  for (Stream* spoiled : capturing) spoiled->invalidated |= stream == nullptr || spoiled == stream;
  return fail_with(cudaErrorStreamCaptureUnsupported);
}

cudaError_t run_kernel(const KernelCall& call) {
  const unsigned threads = call.block.x * call.block.y * call.block.z;
  const uint64_t blocks = uint64_t{call.grid.x} * call.grid.y * call.grid.z;
  const auto limit = most_dynamic_shared.find(call.kernel);
  const size_t most_shared =
      limit == most_dynamic_shared.end() ? size_t{48} << 10 : static_cast<size_t>(limit->second);
  if (threads == 0 || threads > kMaxThreads || blocks == 0 || blocks >> 31 != 0 ||
      call.grid.y > 65535 || call.grid.z > 65535 || call.block.z > 64 ||
      call.shared_bytes > most_shared) {
    return cudaErrorInvalidConfiguration;
  }
  if (dry_run) return cudaSuccess;
  reserve_memory();
  if (run(call, seed + launches++)) return cudaSuccess;
  last_fault = machine.fault;
  return cudaErrorLaunchFailure;
}

cudaError_t copy(void* to, const void* from, size_t bytes) {
  if (!may_copy(to, bytes) || !may_copy(from, bytes)) return cudaErrorInvalidValue;
  std::memmove(to, from, bytes);
  copy_written(to, from, bytes);
  return cudaSuccess;
}

cudaError_t set_bytes(void* to, int value, size_t bytes) {
  if (!may_copy(to, bytes)) return cudaErrorInvalidValue;
  std::memset(to, value, bytes);
  mark_written(to, bytes);
  return cudaSuccess;
}

}  // namespace

void set_seed(uint64_t next) {
  seed = next;
  launches = 0;
}

void set_dry_run(bool dry) { dry_run = dry; }
void set_launch_label(std::string label) { launch_label = std::move(label); }

cudaError_t enqueue(cudaStream_t stream, KernelCall call) {
  call.label = launch_label;
  return submit(stream, [call = std::move(call)] { return run_kernel(call); });
}

cudaError_t set_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<size_t>(value) > kMaxSharedBytes) {
    return fail_with(cudaErrorInvalidValue);
  }
  const std::lock_guard lock(running);
  most_dynamic_shared[kernel] = value;
  return cudaSuccess;
}

}  // namespace ember::emulator

using namespace ember::emulator;

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorCudartUnloading:
      return "cudaErrorCudartUnloading";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
  }
  return "unknown error";
}

const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorLaunchFailure ? last_fault.c_str() : cudaGetErrorName(error);
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}
cudaError_t cudaPeekAtLastError() { return last_error; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return fail_with(cudaErrorInvalidDevice);
  *properties = {.name = "emulated card",
                 .totalGlobalMem = kGlobalBytes,
                 .sharedMemPerBlock = size_t{48} << 10,
                 .sharedMemPerBlockOptin = kMaxSharedBytes,
                 .major = 8,
                 .minor = 0,
                 .multiProcessorCount = 8,
                 .warpSize = static_cast<int>(kWarpSize),
                 .maxThreadsPerBlock = static_cast<int>(kMaxThreads),
                 .l2CacheSize = 1 << 20};
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() { return refuse_in_capture(nullptr); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new Stream();
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return refuse_in_capture(stream); }
cudaError_t cudaStreamQuery(cudaStream_t stream) { return refuse_in_capture(stream); }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new Event();
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return cudaEventCreate(event);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return submit(stream, [event] {
    event->time = std::chrono::steady_clock::now();
    event->submission = submissions;
    event->asked = false;
    return cudaSuccess;
  });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const std::lock_guard lock(running);
  event->asked = true;
  return cudaSuccess;
}
// As time does not pass on this card: done when asked again, or when more work has come since. So
// whoever counts on the first answer is found.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard lock(running);
  const bool asked = std::exchange(event->asked, true);
  return asked || submissions > event->submission ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end) {
  *ms = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  const std::lock_guard lock(running);
  if (const cudaError_t error = refuse_in_capture(nullptr); error != cudaSuccess) return error;
  *pointer = allocate_global(bytes);
  return fail_with(*pointer != nullptr ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void* pointer) {
  const std::lock_guard lock(running);
  return fail_with(pointer == nullptr || free_global(pointer) ? cudaSuccess
                                                              : cudaErrorInvalidValue);
}
cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t stream) {
  if (const cudaError_t error = refuse_in_capture(stream); error != cudaSuccess) return error;
  return cudaMalloc(pointer, bytes);
}
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t) { return cudaFree(pointer); }
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  *pointer = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  return fail_with(*pointer != nullptr ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeHost(void* pointer) {
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  const std::lock_guard lock(running);
  if (const cudaError_t error = refuse_in_capture(nullptr); error != cudaSuccess) return error;
  return fail_with(copy(to, from, bytes));
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return submit(stream, [=] { return copy(to, from, bytes); });
}
cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return cudaMemsetAsync(to, value, bytes, nullptr);
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return submit(stream, [=] { return set_bytes(to, value, bytes); });
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = kGlobalBytes;
  *free = kGlobalBytes - allocated_bytes();
  return cudaSuccess;
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = nullptr;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const std::lock_guard lock(running);
  if (stream == nullptr || capturing.contains(stream)) {
    return fail_with(cudaErrorStreamCaptureUnsupported);
  }
  stream->invalidated = false;
  stream->captured.clear();
  capturing.insert(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(running);
  *graph = nullptr;
  if (capturing.erase(stream) == 0) return fail_with(cudaErrorInvalidValue);
  if (stream->invalidated) return fail_with(cudaErrorStreamCaptureInvalidated);
  *graph = new Graph{std::move(stream->captured)};
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = !capturing.contains(stream) ? cudaStreamCaptureStatusNone
            : stream->invalidated       ? cudaStreamCaptureStatusInvalidated
                                        : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  *executable = new Graph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return submit(stream, [executable] {
    for (const Work& work : executable->work) {
      if (const cudaError_t error = work(); error != cudaSuccess) return error;
    }
    return cudaSuccess;
  });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

// NOLINTEND(bugprone-*,google-*,readability-*)
