#pragma once

#include <cuda_runtime.h>

#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace ember {

/// Elements on the emulated GPU.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) {
    cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T));
  }
  explicit DeviceArray(std::span<const T> values) : DeviceArray(values.size()) {
    cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice);
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::vector<T> values() const {
    std::vector<T> values(count_);
    cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost);
    return values;
  }

 private:
  size_t count_;
  T* data_ = nullptr;
};

/// What the checker says of one run; empty when it found nothing.
template <typename... P, typename... A>
std::string run(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, A... arguments) {
  std::tuple<P...> values(arguments...);
  const cudaError_t error = std::apply(
      [&](P&... value) {
        void* pointers[] = {static_cast<void*>(&value)..., nullptr};
        return cudaLaunchKernel(kernel, grid, block, pointers, shared_bytes);
      },
      values);
  std::string report = error == cudaSuccess ? "" : cudaGetErrorString(error);
  cudaGetLastError();  // the next launch begins anew
  return report;
}

}  // namespace ember
