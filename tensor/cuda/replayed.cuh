#pragma once

#include <memory>

#include "tensor/cuda/launch.h"

namespace ember::cuda {

template <typename T>
__global__ void set_value_kernel(T value, T* to) {
  *to = value;
}

/// An argument of a kernel that differs from one training step to the next. As a graph repeats its
/// kernels with the arguments of the recording, there the kernel is told to read it from memory:
///
///     launch(kernel, config, ..., value, replayed.address());
///
/// and in the kernel `current(value, address)`.
template <typename T>
class Replayed {
 public:
  /// What the graphs that are replayed from now on read.
  void set(const T& value) {
    if (storage_ == nullptr) storage_ = std::make_unique<Storage>(Device::cuda, sizeof(T));
    launch(set_value_kernel<T>, {dim3(1), dim3(1), current_stream()}, value, data());
  }

  /// Where a kernel that is being recorded reads the value, which has been set before; null for one
  /// that takes its argument.
  const T* address() const {
    if (!capturing()) return nullptr;
    EMBER_REQUIRE(storage_ != nullptr, "a graph is recorded before its first step is set");
    return data();
  }

 private:
  T* data() const { return reinterpret_cast<T*>(storage_->data()); }

  std::unique_ptr<Storage> storage_;
};

template <typename T>
__device__ T current(const T& argument, const T* replayed) {
  return replayed == nullptr ? argument : *replayed;
}

}  // namespace ember::cuda
