// Kernels with one fault each in global memory, between blocks, or in a thread alone, planted where
// `kWrong` says so. A line that the report may name is marked `// here`.
#include "tests/emulator/faults.h"

namespace ember {
namespace {

constexpr unsigned kAllLanes = 0xffffffffu;

__device__ int global_thread() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }

// Global memory ----------------------------------------------------------------------------------

template <bool kWrong>
__global__ void missing_guard(float* out, const float* in, int n) {
  const int i = global_thread();
  if (kWrong || i < n) out[i] = in[i];  // here
}

template <bool kWrong>
__global__ void load_one_past_the_end(float* out, const float* in, int n) {
  const int i = global_thread();
  out[i] = in[i] + (kWrong || i + 1 < n ? in[i + 1] : 0.0f);  // here
}

template <bool kWrong>
__global__ void load_before_the_beginning(float* out, const float* in, int) {
  const int i = global_thread();
  out[i] = in[i] + (kWrong || i > 0 ? in[i - 1] : 0.0f);  // here
}

template <bool kWrong>
__global__ void vector_load_past_the_tail(float* out, const float* in, int n) {
  const int i = 4 * global_thread();
  if (kWrong ? i < n : i + 3 < n) {
    const float4 v = *reinterpret_cast<const float4*>(in + i);  // here
    out[i] = v.x + v.y + v.z + v.w;
  }
}

template <bool kWrong>
__global__ void misaligned_vector_load(float* out, const float* in, int n) {
  const int i = 4 * global_thread();
  if (i + 8 <= n) {
    const float4 v = *reinterpret_cast<const float4*>(in + i + (kWrong ? 1 : 0));  // here
    out[i] = v.x + v.y + v.z + v.w;
  }
}

template <bool kWrong>
__global__ void byte_past_the_end(float* out, const float* in, int n) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(in);
  const int i = global_thread();
  if (i < n) out[i] = bytes[4 * i + (kWrong ? 4 : 3)];  // here
}

template <bool kWrong>
__global__ void store_past_the_end(float* out, const float* in, int n) {
  const int i = global_thread();
  if (i < n) out[kWrong ? n - i : i] = in[i];  // here
}

template <bool kWrong>
__global__ void accumulator_in_global_memory_not_set(float* out, const float* in, int) {
  const int i = global_thread();
  if (!kWrong) out[i] = 0;
  for (int k = 0; k < 3; ++k) out[i] += in[i];  // here
}

template <bool kWrong>
__global__ void element_that_nobody_writes(float* out, const float* in, int n) {
  const int i = static_cast<int>(threadIdx.x);
  if (!kWrong || i + 1 < n) out[i] = in[i];
  __syncthreads();
  if (i == 0) out[0] = out[n - 1];  // here
}

template <bool kWrong>
__global__ void stencil_in_place(float* out, const float* in, int n) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = in[i];
  __syncthreads();
  const float sum = out[(i + 1) % n] + out[(i + n - 1) % n];  // here
  if (!kWrong) __syncthreads();
  out[i] = sum;  // here
}

template <bool kWrong>
__global__ void blocks_that_write_one_element(float* out, const float* in, int) {
  if (threadIdx.x == 0) out[kWrong ? 0 : blockIdx.x] = in[blockIdx.x];  // here
}

template <bool kWrong>
__global__ void blocks_that_overlap_by_one(float* out, const float* in, int) {
  const unsigned stride = kWrong ? blockDim.x - 1 : blockDim.x;
  const unsigned i = blockIdx.x * stride + threadIdx.x;
  out[i] = in[i];  // here
}

template <bool kWrong>
__global__ void block_reads_its_neighbour(float* out, const float* in, int) {
  const int i = global_thread();
  out[i] = in[i];  // here
  __syncthreads();
  const int last =
      static_cast<int>(kWrong ? gridDim.x * blockDim.x : (blockIdx.x + 1) * blockDim.x);
  const float next = i + 1 < last ? out[i + 1] : 0.0f;  // here
  __syncthreads();
  out[i] = next;  // here
}

template <bool kWrong>
__global__ void blocks_read_what_one_writes(float* out, const float* in, int) {
  const float before = out[0];                                // here
  if (blockIdx.x == 1) out[kWrong ? 0 : 1] = in[0] + before;  // here
}

template <bool kWrong>
__global__ void host_memory(float* out, const float* in, int) {
  const int i = global_thread();
  float value = 0;
  if (kWrong) value = in[i];  // here
  out[i] = value;
}

template <bool kWrong>
__global__ void freed_memory(float* out, const float* in, int) {
  const int i = global_thread();
  float value = 0;
  if (kWrong) value = in[i];  // here
  out[i] = value;
}

// The last block to finish -----------------------------------------------------------------------
// out[0] is the result, out[1] the counter, out[2..] the partial results of the blocks.

template <bool kFence, bool kBarrier, bool kAtomic, bool kBroadcastBarrier>
__device__ void sum_by_last_block(float* out, const float* in) {
  __shared__ bool last;
  auto* counter = reinterpret_cast<unsigned*>(out + 1);
  float* partials = out + 2;
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  partials[i] = 2 * in[i];  // here
  if (kFence) __threadfence();
  if (kBarrier) __syncthreads();
  if (threadIdx.x == 0) {
    if (kAtomic) {
      last = atomicAdd(counter, 1u) + 1 == gridDim.x;  // here
    } else {
      *counter = *counter + 1;       // here
      last = *counter == gridDim.x;  // here
    }
  }
  if (kBroadcastBarrier) __syncthreads();
  if (!last) return;  // here
  if (threadIdx.x == 0) {
    float sum = 0;
    for (unsigned k = 0; k < gridDim.x * blockDim.x; ++k) sum += __ldcg(partials + k);  // here
    out[0] = sum;
    *counter = 0;
  }
}

template <bool kWrong>
__global__ void missing_fence(float* out, const float* in, int) {
  sum_by_last_block<!kWrong, true, true, true>(out, in);
}
template <bool kWrong>
__global__ void missing_barrier_before_the_counter(float* out, const float* in, int) {
  sum_by_last_block<true, !kWrong, true, true>(out, in);
}
template <bool kWrong>
__global__ void counter_without_atomics(float* out, const float* in, int) {
  sum_by_last_block<true, true, !kWrong, true>(out, in);
}
template <bool kWrong>
__global__ void missing_barrier_behind_the_counter(float* out, const float* in, int) {
  sum_by_last_block<true, true, true, !kWrong>(out, in);
}

template <bool kWrong>
__global__ void fence_before_the_store(float* out, const float* in, int) {
  auto* counter = reinterpret_cast<unsigned*>(out + 1);
  float* partials = out + 2;
  if (kWrong) __threadfence();
  partials[blockIdx.x] = in[blockIdx.x];  // here
  if (!kWrong) __threadfence();
  if (atomicAdd(counter, 1u) + 1 < gridDim.x) return;
  float sum = 0;
  for (unsigned k = 0; k < gridDim.x; ++k) sum += __ldcg(partials + k);  // here
  out[0] = sum;
}

// Warps count themselves in: none waits for the others of its block.
template <bool kEachLaneFences, bool kSync>
__device__ void sum_by_last_warp(float* out, const float* in) {
  const unsigned count = gridDim.x * blockDim.x;
  auto* counter = reinterpret_cast<unsigned*>(out + 1);
  float* partials = out + 2;
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  const unsigned lane = threadIdx.x % 32;
  partials[i] = in[i];  // here
  if (kEachLaneFences) __threadfence();
  if (kSync) __syncwarp();
  unsigned before = 0;
  if (lane == 0) {
    if (!kEachLaneFences) __threadfence();
    before = atomicAdd(counter, 1u);
    atomicAdd(counter + 1 + count, 0u);  // another counter
  }
  before = __shfl_sync(kAllLanes, before, 0);
  __syncwarp();
  if (before + 1 < count / 32) return;
  if (lane == 0) atomicExch(counter, 0u);
  if (lane != 1) return;
  float sum = 0;
  for (unsigned k = 0; k < count; ++k) sum += __ldcg(partials + k);  // here
  out[0] = sum;
}

template <bool kWrong>
__global__ void warps_count_in_before_they_meet(float* out, const float* in, int) {
  sum_by_last_warp<false, !kWrong>(out, in);
}
template <bool kWrong>
__global__ void lanes_fence_for_themselves(float* out, const float* in, int) {
  sum_by_last_warp<true, !kWrong>(out, in);
}

// Results that are wrong without a fault of memory -----------------------------------------------

template <bool kWrong>
__global__ void local_not_set(float* out, const float* in, int) {
  float sum;
  if (!kWrong) sum = 0;
  for (int i = 0; i < 4; ++i) sum += in[i];  // NOLINT(clang-analyzer-core.uninitialized.Assign)
  out[threadIdx.x] = sum;
}

template <bool kWrong>
__global__ void too_few_lanes_in_a_sum(float* out, const float* in, int) {
  float sum = in[threadIdx.x];
  for (int lanes = kWrong ? 8 : 16; lanes > 0; lanes /= 2) {
    sum += __shfl_xor_sync(kAllLanes, sum, lanes);
  }
  out[threadIdx.x] = sum;
}

const Fault kFaults[] = {
    {EMBER_FAULT(missing_guard), "out of bounds", 4, 32, 100},
    {EMBER_FAULT(load_one_past_the_end), "out of bounds", 4, 32},
    {EMBER_FAULT(load_before_the_beginning), "out of bounds", 4, 32},
    {EMBER_FAULT(vector_load_past_the_tail), "out of bounds", 1, 32, 101},
    {EMBER_FAULT(misaligned_vector_load), "misaligned address", 1, 32, 128},
    {EMBER_FAULT(byte_past_the_end), "out of bounds", 1, 32},
    {EMBER_FAULT(store_past_the_end), "out of bounds", 1, 32},
    {EMBER_FAULT(accumulator_in_global_memory_not_set), "never written", 2, 32},
    {EMBER_FAULT(element_that_nobody_writes), "never written", 1, 64},
    {EMBER_FAULT(stencil_in_place), "data race on global memory", 1, 64},
    {EMBER_FAULT(blocks_that_write_one_element), "data race on global memory", 3, 32},
    {EMBER_FAULT(blocks_that_overlap_by_one), "data race on global memory", 3, 32},
    {EMBER_FAULT(block_reads_its_neighbour), "data race on global memory", 3, 32, 0, 0, true},
    {EMBER_FAULT(blocks_read_what_one_writes), "data race on global memory", 3, 1, 8, 0, true},
    {EMBER_FAULT(host_memory), "memory of the host", 2, 32, 0, 0, false, Given::host_memory},
    {EMBER_FAULT(freed_memory), "that was freed", 2, 32, 0, 0, false, Given::freed_memory},
    {EMBER_FAULT(missing_fence), "data race on global memory", 4, 32, 130, 0, true},
    {EMBER_FAULT(missing_barrier_before_the_counter), "data race on global memory", 4, 64, 258, 0,
     true},
    {EMBER_FAULT(counter_without_atomics), "data race on global memory", 4, 32, 130, 0, true},
    {EMBER_FAULT(missing_barrier_behind_the_counter),
     "data race on shared array last|never written in this block", 4, 64, 258, 0, true},
    {EMBER_FAULT(fence_before_the_store), "data race on global memory", 4, 1, 8, 0, true},
    {EMBER_FAULT(warps_count_in_before_they_meet), "data race on global memory", 2, 64, 132, 0,
     true},
    {EMBER_FAULT(lanes_fence_for_themselves), "data race on global memory", 2, 64, 132, 0, true},
    {EMBER_FAULT(local_not_set), "", 1, 32},
    {EMBER_FAULT(too_few_lanes_in_a_sum), "", 1, 32},
};

}  // namespace

std::span<const Fault> grid_faults() { return kFaults; }

}  // namespace ember
