#include "tensor/scratch.h"

#include <array>
#include <memory>

namespace ember {
namespace {

const std::shared_ptr<Storage>& buffer_of(Scratch purpose, int64_t count, Device device) {
  using Buffers = std::array<std::shared_ptr<Storage>, static_cast<size_t>(Scratch::count_)>;
  thread_local std::array<Buffers, 2> buffers;  // [device][purpose]
  auto& buffer = buffers[static_cast<size_t>(device)][static_cast<size_t>(purpose)];
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  if (buffer == nullptr || buffer->bytes() < bytes) {
    buffer.reset();
    buffer = std::make_shared<Storage>(device, bytes);
  }
  return buffer;
}

}  // namespace

float* scratch(Scratch purpose, int64_t count, Device device) {
  return reinterpret_cast<float*>(buffer_of(purpose, count, device)->data());
}

Tensor scratch_tensor(Scratch purpose, const Shape& shape, Device device) {
  return {shape, buffer_of(purpose, shape.size(), device), 0};
}

}  // namespace ember
