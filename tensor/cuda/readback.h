#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace ember::cuda {

/// Brings a small result of the GPU to the host again and again, without either waiting for the
/// other: copies are queued behind the work that makes the result, and read when they have arrived.
/// No CUDA header stands here.
class Readback {
 public:
  /// Copies of `bytes` bytes, at most `capacity` of them on their way.
  Readback(size_t bytes, int64_t capacity);
  ~Readback();
  Readback(Readback&&) noexcept;
  Readback& operator=(Readback&&) noexcept;

  /// Queues a copy of what `from`, on the GPU, holds once everything queued so far is done.
  void queue(const void* from);
  /// Whether the oldest copy on its way has arrived; never waits.
  bool arrived() const;
  /// The oldest copy, which it waits for; valid until the next call of queue.
  const std::byte* take();

 private:
  struct Ring;
  std::unique_ptr<Ring> ring_;
};

}  // namespace ember::cuda
