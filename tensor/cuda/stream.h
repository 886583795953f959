#pragma once

#include <cuda_runtime.h>

#include <utility>

namespace ember::cuda {

/// A queue of the GPU's work, done in order. Does not wait for the default stream.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(Stream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept {
    std::swap(stream_, other.stream_);
    return *this;
  }

  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// A mark in a stream: done when everything queued before it is.
class Event {
 public:
  enum class Purpose { order, timing };
  explicit Event(Purpose purpose = Purpose::order);  ///< one for order alone is cheaper
  ~Event();
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }

  void record(cudaStream_t stream);
  /// Whether it is done; never waits.
  bool done() const;
  /// Waits until it is done.
  void wait() const;
  /// From `start`, which is done, to this one, which is done; both for timing.
  float milliseconds_since(const Event& start) const;

 private:
  cudaEvent_t event_ = nullptr;
};

/// The stream of everything that Ember does on the GPU; made at the first call.
cudaStream_t current_stream();

/// Whether what goes to current_stream() is being recorded for a graph, not done.
bool capturing();

}  // namespace ember::cuda
