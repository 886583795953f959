#include "tensor/scratch.h"

#include <array>
#include <memory>

#include "tensor/device.h"

namespace ember {

float* scratch(Scratch purpose, int64_t count, Device device) {
  using Buffers = std::array<std::unique_ptr<Storage>, static_cast<size_t>(Scratch::count_)>;
  thread_local std::array<Buffers, 2> buffers;  // [device][purpose]
  auto& buffer = buffers[static_cast<size_t>(device)][static_cast<size_t>(purpose)];
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  if (buffer == nullptr || buffer->bytes() < bytes) {
    buffer.reset();
    buffer = std::make_unique<Storage>(device, bytes);
  }
  return reinterpret_cast<float*>(buffer->data());
}

}  // namespace ember
