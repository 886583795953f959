// Kernels with one fault each in what the threads of a block do together, planted where
// `kWrong` says so. A line that the report may name is marked `// here`.
#include "tests/emulator/faults.h"

#include "kernels/cuda/intrinsics.cuh"

namespace ember {
namespace {

using cuda::dynamic_shared;

constexpr unsigned kAllLanes = 0xffffffffu;

__device__ int global_thread() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }

// Shared memory and barriers ---------------------------------------------------------------------

template <bool kWrong>
__global__ void missing_barrier(float* out, const float* in, int n) {
  __shared__ float tile[64];
  const int t = static_cast<int>(threadIdx.x);
  tile[t] = in[t];  // here
  if (!kWrong) __syncthreads();
  out[t] = tile[n - 1 - t];  // here
}

template <bool kWrong>
__global__ void missing_barrier_before_the_next_tile(float* out, const float* in, int n) {
  __shared__ float tile[64];
  const int t = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int first = 0; first < n; first += 64) {
    tile[t] = in[first + t];  // here
    __syncthreads();
    for (int i = 0; i < 64; ++i) sum += tile[i];  // here
    if (!kWrong) __syncthreads();
  }
  out[t] = sum;
}

template <bool kWrong>
__global__ void single_buffer_for_double_buffering(float* out, const float* in, int n) {
  __shared__ float buffers[2][64];
  const int t = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int i = 0; i * 64 < n; ++i) {
    const int buffer = kWrong ? 0 : i % 2;
    buffers[buffer][t] = in[i * 64 + t];  // here
    __syncthreads();
    sum += buffers[buffer][63 - t];  // here
  }
  out[t] = sum;
}

template <bool kWrong>
__global__ void missing_barrier_in_a_tree(float* out, const float* in, int) {
  __shared__ float sums[64];
  const unsigned t = threadIdx.x;
  sums[t] = in[t];
  __syncthreads();
  for (unsigned half = 32; half > 0; half /= 2) {
    if (t < half) sums[t] += sums[t + half];  // here
    if (!kWrong) __syncthreads();
  }
  if (t == 0) out[0] = sums[0];
}

template <bool kWrong>
__global__ void missing_syncwarp(float* out, const float* in, int) {
  __shared__ float tile[32];
  const unsigned t = threadIdx.x;
  tile[t] = in[t];  // here
  if (!kWrong) __syncwarp();
  out[t] = tile[t ^ 1];  // here
}

template <bool kWrong>
__global__ void syncwarp_between_warps(float* out, const float* in, int) {
  __shared__ float tile[64];
  const unsigned t = threadIdx.x;
  tile[t] = in[t];  // here
  if (kWrong) {
    __syncwarp();
  } else {
    __syncthreads();
  }
  out[t] = tile[t ^ 32];  // here
}

template <bool kWrong>
__global__ void missing_barrier_after_a_broadcast(float* out, const float* in, int) {
  __shared__ float value;
  for (int i = 0; i < 4; ++i) {
    if (threadIdx.x == 0) value = in[i];  // here
    __syncthreads();
    out[i * 64 + static_cast<int>(threadIdx.x)] = value;  // here
    if (!kWrong) __syncthreads();
  }
}

template <bool kWrong>
__global__ void histogram_without_atomics(float* out, const float* in, int) {
  __shared__ int counts[16];
  const unsigned t = threadIdx.x;
  if (t < 16) counts[t] = 0;
  __syncthreads();
  const int bin = static_cast<int>(in[t]) % 16;
  if (kWrong) {
    counts[bin] += 1;  // here
  } else {
    atomicAdd(&counts[bin], 1);
  }
  __syncthreads();
  if (t < 16) out[t] = static_cast<float>(counts[t]);
}

template <bool kWrong>
__global__ void histogram_read_too_early(float* out, const float* in, int) {
  __shared__ int counts[16];
  const unsigned t = threadIdx.x;
  if (t < 16) counts[t] = 0;
  __syncthreads();
  atomicAdd(&counts[static_cast<int>(in[t]) % 16], 1);  // here
  if (!kWrong) __syncthreads();
  if (t < 16) out[t] = static_cast<float>(counts[t]);  // here
}

template <bool kWrong>
__global__ void histogram_not_set(float* out, const float* in, int) {
  __shared__ int counts[16];
  const unsigned t = threadIdx.x;
  if (!kWrong && t < 16) counts[t] = 0;
  __syncthreads();
  atomicAdd(&counts[static_cast<int>(in[t]) % 16], 1);  // here
  __syncthreads();
  if (t < 16) out[t] = static_cast<float>(counts[t]);
}

template <bool kWrong>
__global__ void bytes_that_overlap(float* out, const float* in, int) {
  __shared__ unsigned char bytes[129];
  const unsigned t = threadIdx.x;
  bytes[2 * t] = static_cast<unsigned char>(in[t]);                 // here
  bytes[2 * t + (kWrong ? 2 : 1)] = static_cast<unsigned char>(t);  // here
  __syncthreads();
  out[t] = bytes[2 * t];
}

template <bool kWrong>
__global__ void bytes_of_one_word(float* out, const float* in, int) {
  __shared__ unsigned char bytes[4];
  const unsigned t = threadIdx.x;
  bytes[kWrong && t == 2 ? 0 : t] = static_cast<unsigned char>(in[t]);  // here
  __syncthreads();
  if (t == 0) out[0] = bytes[0];
}

template <bool kWrong>
__global__ void bytes_changed_in_place(float* out, const float* in, int) {
  __shared__ unsigned char bytes[64];
  const unsigned t = threadIdx.x;
  bytes[t] = static_cast<unsigned char>(in[t]);
  __syncthreads();
  bytes[t] += bytes[kWrong ? t ^ 1 : t];  // here
  __syncthreads();
  out[t] = bytes[t];
}

template <bool kWrong>
__global__ void byte_that_nobody_writes(float* out, const float* in, int) {
  __shared__ unsigned char bytes[64];
  const unsigned t = threadIdx.x;
  if (!kWrong || t != 1) bytes[t] = static_cast<unsigned char>(in[t]);
  __syncthreads();
  out[t] = bytes[t];  // here
}

__device__ void settle(float* out, float value) {
  out[threadIdx.x] = value;
  __syncthreads();  // here
}

template <bool kWrong>
__global__ void divergent_barrier_in_a_helper(float* out, const float* in, int) {
  const unsigned t = threadIdx.x;
  if (kWrong && t < 32) {
    settle(out, in[t]);  // here
  } else {
    settle(out, in[t] + 1);  // here
  }
}

template <bool kWrong>
__global__ void divergent_barrier(float* out, const float* in, int) {
  const unsigned t = threadIdx.x;
  if (kWrong && t < 32) {
    out[t] = in[t];
    __syncthreads();  // here
  } else {
    out[t] = in[t] + 1;
    __syncthreads();  // here
  }
}

template <bool kWrong>
__global__ void barrier_in_a_loop_of_the_threads_own_length(float* out, const float* in, int) {
  const unsigned t = threadIdx.x;
  float sum = 0;
  for (unsigned i = 0; i < (kWrong ? t / 32 + 1 : 4u); ++i) {
    sum += in[i];
    __syncthreads();  // here
  }
  out[t] = sum;
  __syncthreads();  // here
}

template <bool kWrong>
__global__ void barrier_beside_a_warp_operation(float* out, const float* in, int) {
  const unsigned t = threadIdx.x;
  float value = in[t];
  if (!kWrong || t % 32 < 16) value += __shfl_xor_sync(kAllLanes, value, 1);  // here
  __syncthreads();                                                            // here
  out[t] = value;
}

template <bool kWrong>
__global__ void index_past_a_shared_array(float* out, const float* in, int) {
  __shared__ float tile[64];
  const unsigned t = threadIdx.x;
  tile[t + (kWrong ? 1 : 0)] = in[t];  // here
  __syncthreads();
  out[t] = tile[t];  // here
}

template <bool kWrong>
__global__ void index_before_a_shared_array(float* out, const float* in, int) {
  __shared__ float tile[64];
  const int t = static_cast<int>(threadIdx.x);
  tile[t] = in[t];
  __syncthreads();
  out[t] = tile[t - (kWrong || t > 0 ? 1 : 0)];  // here
}

template <bool kWrong>
__global__ void pointer_past_a_shared_array(float* out, const float* in, int n) {
  __shared__ float tile[64];
  float* at = tile + threadIdx.x;
  *at = in[threadIdx.x];
  __syncthreads();
  at += kWrong ? n - 63 : 0;
  out[threadIdx.x] = *at;  // here
}

template <bool kWrong>
__global__ void index_past_a_row(float* out, const float* in, int) {
  __shared__ float tile[8][8];
  const unsigned row = threadIdx.x / 8;
  const unsigned column = threadIdx.x % 8;
  tile[row][column] = in[threadIdx.x];
  __syncthreads();
  const unsigned next = kWrong ? column + 1 : (column + 1) % 8;
  out[threadIdx.x] = tile[row / 2][next];  // here
}

template <bool kWrong>
__global__ void rows_and_columns_exchanged(float* out, const float* in, int) {
  __shared__ float tile[4][16];
  const unsigned row = threadIdx.x / 16;
  const unsigned column = threadIdx.x % 16;
  if (kWrong) {
    tile[column][row] = in[threadIdx.x];  // here
  } else {
    tile[row][column] = in[threadIdx.x];
  }
  __syncthreads();
  out[threadIdx.x] = tile[row][column];  // here
}

template <bool kWrong>
__global__ void past_dynamic_shared_memory(float* out, const float* in, int) {
  auto* tile = dynamic_shared<float>();
  const unsigned t = threadIdx.x;
  tile[t + (kWrong ? 1 : 0)] = in[t];  // here
  __syncthreads();
  out[t] = tile[t];  // here
}

template <bool kWrong>
__global__ void accumulator_in_shared_memory_not_set(float* out, const float* in, int) {
  __shared__ float sum;
  if (threadIdx.x == 0) {  // here: the load may move before the loop
    if (!kWrong) sum = 0;
    for (int i = 0; i < 64; ++i) sum += in[i];  // here
  }
  __syncthreads();
  out[global_thread()] = sum;
}

template <bool kWrong>
__global__ void border_of_a_tile_not_loaded(float* out, const float* in, int n) {
  __shared__ float tile[66];
  const int t = static_cast<int>(threadIdx.x);
  tile[t + 1] = in[t];
  if (t == 0) tile[0] = 0;
  if (!kWrong && t == n - 1) tile[65] = 0;
  __syncthreads();
  out[t] = tile[t] + tile[t + 2];  // here
}

// Warps ------------------------------------------------------------------------------------------

template <bool kWrong>
__global__ void mask_without_the_calling_lane(float* out, const float* in, int) {
  const unsigned mask = kWrong ? 0x0000ffffu : kAllLanes;
  out[threadIdx.x] = __shfl_xor_sync(mask, in[threadIdx.x], 1);  // here
}

template <bool kWrong>
__global__ void shuffle_from_a_lane_outside_the_mask(float* out, const float* in, int) {
  const unsigned t = threadIdx.x;
  if (t < 16) out[t] = __shfl_sync(0x0000ffffu, in[t], kWrong ? 20 : 3);  // here
}

template <bool kWrong>
__global__ void shuffle_with_a_lane_that_returned(float* out, const float* in, int) {
  const unsigned t = threadIdx.x;
  if (kWrong && t == 31) return;
  out[t] = __shfl_down_sync(kAllLanes, in[t], 1);  // here
}

template <bool kWrong>
__global__ void full_mask_behind_a_guard(float* out, const float* in, int n) {
  const int i = global_thread();
  if (kWrong && i >= n) return;
  float value = i < n ? in[i] : 0.0f;
  for (int lanes = 16; lanes > 0; lanes /= 2)
    value += __shfl_xor_sync(kAllLanes, value, lanes);  // here
  if (threadIdx.x == 0) out[blockIdx.x] = value;
}

template <bool kWrong>
__global__ void vote_without_the_calling_lane(float* out, const float* in, int) {
  const unsigned t = threadIdx.x;
  const unsigned votes = __ballot_sync(kWrong ? 0xfffffffeu : kAllLanes, in[t] > 3.0f);  // here
  out[t] = static_cast<float>(__popc(votes));
}

template <bool kWrong>
__global__ void lanes_in_shuffles_of_two_kinds(float* out, const float* in, int) {
  const unsigned t = threadIdx.x;
  float value = in[t];
  if (kWrong && t < 16) {
    value += __shfl_down_sync(kAllLanes, value, 1);  // here
  } else {
    value += __shfl_xor_sync(kAllLanes, value, 1);  // here
  }
  out[t] = value;
}

template <bool kWrong>
__global__ void shuffle_among_three_lanes(float* out, const float* in, int) {
  out[threadIdx.x] = __shfl_sync(kAllLanes, in[threadIdx.x], 0, kWrong ? 3 : 4);  // here
}

template <bool kWrong>
__global__ void shuffle_where_syncwarp_would_do(float* out, const float* in, int) {
  __shared__ float tile[20];
  const unsigned t = threadIdx.x;
  if (t >= 20) return;  // which a __syncwarp of all lanes permits
  tile[t] = in[t];
  float value = in[t];
  __syncwarp();
  if (kWrong) value = __shfl_xor_sync(kAllLanes, value, 1);  // here
  out[t] = tile[t ^ 1] + value;
}

template <bool kWrong>
__global__ void syncwarp_of_the_readers_alone(float* out, const float* in, int) {
  __shared__ float tile[32];
  const unsigned t = threadIdx.x;
  tile[t] = 0;
  __syncwarp();
  if (t >= 16) tile[t] = in[t];  // here
  if (!kWrong) {
    __syncwarp();
  } else if (t < 16) {
    __syncwarp(0x0000ffffu);
  }
  if (t < 16) out[t] = tile[t + 16];  // here
}

template <bool kWrong>
__global__ void syncwarp_of_half_a_warp(float* out, const float* in, int) {
  __shared__ float tile[32];
  const unsigned t = threadIdx.x;
  tile[t] = in[t];  // here
  __syncwarp(kWrong ? (t < 16 ? 0x0000ffffu : 0xffff0000u) : kAllLanes);
  out[t] = tile[t ^ 16];  // here
}

const Fault kFaults[] = {
    {EMBER_FAULT(missing_barrier), "data race on shared array tile|never written in this block", 1,
     64},
    {EMBER_FAULT(missing_barrier_before_the_next_tile), "data race on shared array tile", 1, 64,
     256},
    {EMBER_FAULT(single_buffer_for_double_buffering), "data race on shared array buffers", 1, 64,
     256},
    {EMBER_FAULT(missing_barrier_in_a_tree), "data race on shared array sums", 1, 64},
    {EMBER_FAULT(missing_syncwarp), "data race on shared array tile|never written in this block", 1,
     32},
    {EMBER_FAULT(syncwarp_between_warps),
     "data race on shared array tile|never written in this block", 1, 64},
    {EMBER_FAULT(missing_barrier_after_a_broadcast), "data race on shared array value", 1, 64, 256},
    {EMBER_FAULT(histogram_without_atomics), "data race on shared array counts", 1, 64},
    {EMBER_FAULT(histogram_read_too_early), "data race on shared array counts", 1, 64},
    {EMBER_FAULT(histogram_not_set), "never written in this block", 1, 64},
    {EMBER_FAULT(bytes_that_overlap), "data race on shared array bytes", 1, 64},
    {EMBER_FAULT(bytes_of_one_word), "data race on shared array bytes", 1, 4},
    {EMBER_FAULT(bytes_changed_in_place), "data race on shared array bytes", 1, 64},
    {EMBER_FAULT(byte_that_nobody_writes), "never written in this block", 1, 64},
    {EMBER_FAULT(divergent_barrier_in_a_helper), "divergent barrier", 1, 64},
    {EMBER_FAULT(divergent_barrier), "divergent barrier", 1, 64},
    {EMBER_FAULT(barrier_in_a_loop_of_the_threads_own_length), "divergent barrier", 1, 64},
    {EMBER_FAULT(barrier_beside_a_warp_operation), "deadlock", 1, 64},
    {EMBER_FAULT(index_past_a_shared_array), "out of bounds", 1, 64},
    {EMBER_FAULT(index_before_a_shared_array), "out of bounds", 1, 64},
    {EMBER_FAULT(pointer_past_a_shared_array), "out of bounds", 1, 64},
    {EMBER_FAULT(index_past_a_row), "out of bounds", 1, 64},
    {EMBER_FAULT(rows_and_columns_exchanged), "out of bounds", 1, 64},
    {EMBER_FAULT(past_dynamic_shared_memory), "out of bounds", 1, 64, 0, 256},
    {EMBER_FAULT(accumulator_in_shared_memory_not_set), "never written in this block", 2, 64},
    {EMBER_FAULT(border_of_a_tile_not_loaded), "never written in this block", 1, 64},
    {EMBER_FAULT(mask_without_the_calling_lane), "wrong mask", 1, 32},
    {EMBER_FAULT(shuffle_from_a_lane_outside_the_mask), "undefined shuffle", 1, 32},
    {EMBER_FAULT(shuffle_with_a_lane_that_returned), "missing lane", 1, 32},
    {EMBER_FAULT(full_mask_behind_a_guard), "missing lane", 2, 32, 50},
    {EMBER_FAULT(vote_without_the_calling_lane), "wrong mask", 1, 32},
    {EMBER_FAULT(lanes_in_shuffles_of_two_kinds), "deadlock", 1, 32},
    {EMBER_FAULT(shuffle_among_three_lanes), "wrong width", 1, 32},
    {EMBER_FAULT(shuffle_where_syncwarp_would_do), "missing lane", 1, 32},
    {EMBER_FAULT(syncwarp_of_the_readers_alone), "data race on shared array tile", 1, 32},
    {EMBER_FAULT(syncwarp_of_half_a_warp),
     "data race on shared array tile|never written in this block", 1, 32},
};

}  // namespace

std::span<const Fault> block_faults() { return kFaults; }

}  // namespace ember
