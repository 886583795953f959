#include <cuda_runtime.h>

#include "kernels/naive/naive.h"
#include "tensor/cuda/launch.h"

namespace ember::cuda::naive {
namespace {

/// A thread an element of c, neighbouring threads in neighbouring columns: a warp reads b along its
/// rows, and one element of a at a time, for two loads a multiply-add.
__global__ void matmul_kernel(const float* a, const float* b, int64_t rows, int64_t columns,
                              int64_t depth, float* c) {
  const int64_t index = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (index >= rows * columns) return;
  const int64_t row = index / columns;
  const int64_t column = index % columns;
  float sum = 0;
  for (int64_t k = 0; k < depth; ++k) sum = fmaf(a[row * depth + k], b[k * columns + column], sum);
  c[index] = sum;
}

}  // namespace

void matmul(const Tensor& a, const Tensor& b, Tensor& c) {
  constexpr int kThreads = 256;
  launch(matmul_kernel, {blocks_for(c.size(), kThreads), kThreads, current_stream()}, a.data(),
         b.data(), c.dim(0), c.dim(1), a.dim(1), c.data());
}

}  // namespace ember::cuda::naive
