#include "tensor/scratch.h"

#include <array>
#include <memory>

#include "tensor/device.h"

namespace ember {

float* scratch(Scratch purpose, int64_t count) {
  thread_local std::array<std::unique_ptr<Storage>, static_cast<size_t>(Scratch::count_)> buffers;
  auto& buffer = buffers[static_cast<size_t>(purpose)];
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  if (buffer == nullptr || buffer->bytes() < bytes) {
    buffer.reset();
    buffer = std::make_unique<Storage>(Device::cpu, bytes);
  }
  return reinterpret_cast<float*>(buffer->data());
}

}  // namespace ember
