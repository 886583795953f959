#include "tensor/cuda/stream.h"

#include "tensor/cuda/check.h"
#include "tensor/cuda/stats.h"

namespace ember::cuda {

Stream::Stream() { EMBER_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }

Stream::~Stream() {
  if (stream_ != nullptr) EMBER_CUDA_REPORT(cudaStreamDestroy(stream_));
}

Event::Event(Purpose purpose) {
  EMBER_CUDA_CHECK(cudaEventCreateWithFlags(
      &event_, purpose == Purpose::timing ? cudaEventDefault : cudaEventDisableTiming));
}

Event::~Event() {
  if (event_ != nullptr) EMBER_CUDA_REPORT(cudaEventDestroy(event_));
}

void Event::record(cudaStream_t stream) { EMBER_CUDA_CHECK(cudaEventRecord(event_, stream)); }

bool Event::done() const {
  const cudaError_t error = cudaEventQuery(event_);
  if (error == cudaErrorNotReady) return false;
  // Here the host meets what went wrong in a kernel long queued.
  if (error != cudaSuccess) fail_call("cudaEventQuery", error, __FILE__, __LINE__);
  return true;
}

void Event::wait() const {
  if (done()) return;
  count_host_wait();
  EMBER_CUDA_CHECK(cudaEventSynchronize(event_));
}

float Event::milliseconds_since(const Event& start) const {
  float milliseconds = 0;
  EMBER_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start.event_, event_));
  return milliseconds;
}

cudaStream_t current_stream() {
  // Never destroyed: memory that is freed as the program ends still goes through it.
  static const auto* const stream = new Stream;
  return stream->get();
}

bool capturing() {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  EMBER_CUDA_CHECK(cudaStreamIsCapturing(current_stream(), &status));
  return status != cudaStreamCaptureStatusNone;
}

}  // namespace ember::cuda
