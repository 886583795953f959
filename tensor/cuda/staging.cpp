#include "tensor/cuda/staging.h"

#include <array>
#include <cstring>

#include "tensor/cuda/stream.h"
#include "tensor/device.h"

namespace ember::cuda {
namespace {

struct Buffer {
  std::unique_ptr<Storage> memory;
  Event copied;
};

}  // namespace

struct Staging::Buffers {
  std::array<Buffer, 2> buffers;
  size_t next = 0;
};

Staging::Staging() = default;
Staging::~Staging() = default;
Staging::Staging(Staging&&) noexcept = default;
Staging& Staging::operator=(Staging&&) noexcept = default;

void Staging::copy(void* to, const void* from, size_t bytes) {
  if (buffers_ == nullptr) buffers_ = std::make_unique<Buffers>();
  Buffer& buffer = buffers_->buffers[buffers_->next];
  buffers_->next = (buffers_->next + 1) % buffers_->buffers.size();
  if (buffer.memory != nullptr) buffer.copied.wait();
  if (buffer.memory == nullptr || buffer.memory->bytes() < bytes) {
    buffer.memory = std::make_unique<Storage>(Device::cpu, bytes, HostMemory::pinned);
  }
  std::memcpy(buffer.memory->data(), from, bytes);
  copy_bytes_async(to, Device::cuda, buffer.memory->data(), Device::cpu, bytes);
  buffer.copied.record(current_stream());
}

}  // namespace ember::cuda
