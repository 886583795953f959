#pragma once

#include <cstddef>
#include <memory>

namespace ember::cuda {

/// Takes batch after batch from the host to the GPU without waiting for it, through page-locked
/// buffers that serve in turn. No CUDA header stands here.
class Staging {
 public:
  Staging();
  ~Staging();
  Staging(Staging&&) noexcept;
  Staging& operator=(Staging&&) noexcept;

  /// Queues a copy from the host's memory, which may change as soon as the call returns. Waits only
  /// when the copies before have taken all buffers.
  void copy(void* to, const void* from, size_t bytes);

 private:
  struct Buffers;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace ember::cuda
