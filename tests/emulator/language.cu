#include "tests/emulator/language.h"

#include <cuda_runtime.h>

#include "kernels/cuda/intrinsics.cuh"

namespace ember {
namespace {

constexpr unsigned kAllLanes = 0xffffffffu;

}  // namespace

__global__ void indices_kernel(int* out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned digits[] = {blockIdx.z,  blockIdx.y,  blockIdx.x,
                             threadIdx.z, threadIdx.y, threadIdx.x};
  int number = 0;
  for (unsigned digit : digits) number = number * 10 + static_cast<int>(digit);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = number;
}

__global__ void barrier_votes_kernel(int* out) {
  const int t = static_cast<int>(threadIdx.x);
  out[3 * t] = __syncthreads_count(t % 3 == 0);
  out[3 * t + 1] = __syncthreads_or(t == 40);
  out[3 * t + 2] = __syncthreads_and(t < 64);
}

__global__ void shuffles_kernel(int* out) {
  const unsigned lane = threadIdx.x;
  const int value = 100 + static_cast<int>(lane);
  out[lane] = __shfl_sync(kAllLanes, value, 5);
  out[32 + lane] = __shfl_sync(kAllLanes, value, static_cast<int>(31 - lane));
  out[64 + lane] = __shfl_sync(kAllLanes, value, 3, 8);
  out[96 + lane] = __shfl_up_sync(kAllLanes, value, 2);
  out[128 + lane] = __shfl_up_sync(kAllLanes, value, 2, 16);
  out[160 + lane] = __shfl_down_sync(kAllLanes, value, 3);
  out[192 + lane] = __shfl_down_sync(kAllLanes, value, 3, 8);
  out[224 + lane] = __shfl_xor_sync(kAllLanes, value, 16);
  out[256 + lane] = __shfl_xor_sync(kAllLanes, value, 5, 8);
  // Two halves that each keep to themselves.
  out[288 + lane] =
      lane < 16 ? __shfl_xor_sync(0x0000ffffu, value, 1) : __shfl_xor_sync(0xffff0000u, value, 2);
}

__global__ void shuffle_types_kernel(float* f, double* d, int64_t* i, unsigned* u) {
  const unsigned lane = threadIdx.x;
  f[lane] =
      __shfl_sync(kAllLanes, static_cast<float>(lane) + 0.5f, static_cast<int>(lane + 1) % 32);
  d[lane] = __shfl_sync(kAllLanes, lane + 1e-12, static_cast<int>(lane + 1) % 32);
  i[lane] = __shfl_sync(kAllLanes, (int64_t{1} << 40) + lane, static_cast<int>(lane + 1) % 32);
  u[lane] = __shfl_sync(kAllLanes, 0xf0000000u + lane, static_cast<int>(lane + 1) % 32);
}

__global__ void votes_kernel(unsigned* out) {
  const unsigned t = threadIdx.x;
  out[3 * t] = __ballot_sync(kAllLanes, t % 3 == 0);
  out[3 * t + 1] = static_cast<unsigned>(__any_sync(kAllLanes, t == 69));
  out[3 * t + 2] = static_cast<unsigned>(__all_sync(kAllLanes, t < 69));
}

__global__ void atomics_kernel(unsigned* cells) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(&cells[0], i);
  atomicMax(&cells[1], i);
  atomicMin(&cells[2], i);
  atomicExch(&cells[3], 7u);
  atomicOr(&cells[4], 1u << i % 32);
  atomicCAS(&cells[5], 0u, 9u);
  atomicInc(&cells[6], 9u);
}

__global__ void reverse_kernel(float* out, const float* in) {
  __shared__ float tile[48];
  float* copy = cuda::dynamic_shared<float>();
  const unsigned t = threadIdx.x;
  const unsigned first = blockIdx.x * blockDim.x;
  tile[t] = in[first + t];
  __syncthreads();
  copy[t] = tile[blockDim.x - 1 - t];
  __syncthreads();
  out[first + t] = copy[t];
}

__global__ void vectors_kernel(float4* f, int2* i, uchar4* c) {
  const unsigned t = threadIdx.x;
  const float4 v = f[t];
  f[t] = make_float4(v.z, v.w, v.x, v.y);
  const int2 p = i[t];
  i[t] = make_int2(p.y, p.x);
  const uchar4 b = c[t];
  c[t] = make_uchar4(b.z, b.w, b.x, b.y);
}

__global__ void arithmetic_kernel(float* out, const float* in) {
  const unsigned t = threadIdx.x;
  const float x = __ldg(in + t);
  out[6 * t] = rsqrtf(x);
  out[6 * t + 1] = fmaf(x, x, -1.0f);
  const auto whole = static_cast<unsigned>(x);
  out[6 * t + 2] = static_cast<float>(__clz(static_cast<int>(whole)));
  out[6 * t + 3] = static_cast<float>(__popc(whole));
  out[6 * t + 4] = static_cast<float>(__ffs(static_cast<int>(whole)));
  out[6 * t + 5] = static_cast<float>(__umulhi(whole, 1u << 31));
}

__global__ void last_block_kernel(float* sum, float* partials, unsigned* counter, const float* in) {
  __shared__ bool last;
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  partials[i] = in[i];
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(counter, 1u) + 1 == gridDim.x;
  __syncthreads();
  if (!last || threadIdx.x != 0) return;
  float total = 0;
  for (unsigned k = 0; k < gridDim.x * blockDim.x; ++k) total += __ldcg(partials + k);
  *sum = total;
  *counter = 0;
}

__global__ void step_kernel(float* x, float factor) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  x[i] = factor * x[i] + static_cast<float>(i);
}

__global__ void copy4_kernel(float4* to, const float4* from) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  to[i] = from[i];
}

__global__ void copy_kernel(float* to, const float* from, int shift, int stride) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  to[i] = from[shift + i * stride];
}

__global__ void banks_kernel(float* out, int stride) {
  __shared__ float words[32 * 32];
  const int t = static_cast<int>(threadIdx.x);
  words[t * stride] = 1.0f;
  __syncwarp();
  out[t] = words[t * stride];
}

__global__ void vector_banks_kernel(float4* out, int stride) {
  __shared__ float4 vectors[32 * 4];
  const int t = static_cast<int>(threadIdx.x);
  vectors[t * stride] = make_float4(1.0f, 2.0f, 3.0f, 4.0f);
  __syncwarp();
  out[t] = vectors[t * stride];
}

}  // namespace ember
