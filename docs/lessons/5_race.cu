// The kernels of lesson 5: one sum, with and without what keeps its threads in order.
#include "docs/lessons/5_race.h"
#include "kernels/cuda/reduction.cuh"
#include "tensor/cuda/launch.h"

namespace ember::cuda::lesson {
namespace {

/// Each warp sums its 32 numbers, thread 0 of each block the sums of its warps, and thread 0 of the
/// block that comes last the sums of the blocks.
template <bool kBarrier, bool kFence>
__global__ void sum_kernel(const float* x, float* partials, int* counter, float* sum) {
  __shared__ float warp_sums[kThreads / kWarpSize];
  float value = x[blockIdx.x * kThreads + threadIdx.x];
  for (unsigned reach = kWarpSize / 2; reach > 0; reach /= 2) {
    value += __shfl_xor_sync(kWholeWarp, value, reach);
  }
  if (threadIdx.x % kWarpSize == 0) warp_sums[threadIdx.x / kWarpSize] = value;
  if (kBarrier) __syncthreads();
  if (threadIdx.x != 0) return;

  float block_sum = 0;
  for (float warp_sum : warp_sums) block_sum += warp_sum;
  partials[blockIdx.x] = block_sum;
  if (kFence) __threadfence();
  if (atomicAdd(counter, 1) != kBlocks - 1) return;  // others are still at work

  float total = 0;
  for (int block = 0; block < kBlocks; ++block) total += __ldcg(partials + block);
  *sum = total;
  *counter = 0;
}

template <bool kBarrier, bool kFence>
void launch_sum(const Tensor& x, Tensor& partials, LabelTensor& counter, Tensor& sum) {
  launch(sum_kernel<kBarrier, kFence>, {kBlocks, kThreads, current_stream()}, x.data(),
         partials.data(), counter.data(), sum.data());
}

}  // namespace

void sum_without_barrier(const Tensor& x, Tensor& partials, LabelTensor& counter, Tensor& sum) {
  launch_sum<false, true>(x, partials, counter, sum);
}

void sum_without_fence(const Tensor& x, Tensor& partials, LabelTensor& counter, Tensor& sum) {
  launch_sum<true, false>(x, partials, counter, sum);
}

void sum_mended(const Tensor& x, Tensor& partials, LabelTensor& counter, Tensor& sum) {
  launch_sum<true, true>(x, partials, counter, sum);
}

}  // namespace ember::cuda::lesson
