#include <cstdint>

#include "tensor/cuda/launch.h"
#include "tensor/cuda/memory.h"

namespace ember::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void fill_kernel(uint32_t* to, uint32_t value, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) to[i] = value;
}

}  // namespace

void fill(void* to, uint32_t value, int64_t count) {
  launch(fill_kernel, {blocks_for(count, kThreads), kThreads, current_stream()},
         static_cast<uint32_t*>(to), value, count);
}

}  // namespace ember::cuda
