#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstdint>

/// Reductions over a warp, a block and all blocks of a kernel. Every one merges in an order that
/// the shape of the launch fixes, so that a result is the same bytes in every run.
namespace ember::cuda {

constexpr unsigned kWarpSize = 32;
constexpr unsigned kWholeWarp = 0xffffffffu;

__device__ inline unsigned thread_in_block() {
  return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
}
__device__ inline unsigned threads_in_block() { return blockDim.x * blockDim.y * blockDim.z; }

/// What `merge` and `load_partial` do to one number. A sum of another kind overloads both beside
/// its own type (see moments.cuh).
__device__ inline void merge(float& to, float from) { to += from; }
__device__ inline void merge(float2& to, float2 from) {
  to.x += from.x;
  to.y += from.y;
}
__device__ inline void merge(float4& to, float4 from) {
  to.x += from.x;
  to.y += from.y;
  to.z += from.z;
  to.w += from.w;
}
/// Reads what another block wrote: past L1, which is not coherent.
__device__ inline float load_partial(const float* from) { return __ldcg(from); }
__device__ inline float2 load_partial(const float2* from) { return __ldcg(from); }
__device__ inline float4 load_partial(const float4* from) { return __ldcg(from); }

/// Lanes that share out a row of `count` numbers, so that a warp takes several short rows at once:
/// a power of two.
inline unsigned lanes_for(int64_t count) {
  return count < kWarpSize ? std::bit_ceil(static_cast<unsigned>(count)) : kWarpSize;
}

/// The sum over each group of `lanes` lanes, a power of two, in every lane of the group. All lanes
/// of the warp take part.
template <typename T>
__device__ T warp_sum(T value, unsigned lanes = kWarpSize) {
  for (unsigned reach = lanes / 2; reach > 0; reach /= 2) {
    value += __shfl_xor_sync(kWholeWarp, value, reach);
  }
  return value;
}

/// The largest value of each group of `lanes` lanes, in every lane of the group. All lanes of the
/// warp take part.
template <typename T>
__device__ T warp_max(T value, unsigned lanes = kWarpSize) {
  for (unsigned reach = lanes / 2; reach > 0; reach /= 2) {
    value = max(value, __shfl_xor_sync(kWholeWarp, value, reach));
  }
  return value;
}

/// Merges `rows` rows of `count` cells in shared memory into the first row, as a tree. Every thread
/// of the block calls it and sees the result.
template <typename Cell>
__device__ void merge_rows(Cell* cells, unsigned rows, unsigned count) {
  __syncthreads();
  while (rows > 1) {
    const unsigned kept = (rows + 1) / 2;
    for (unsigned i = thread_in_block(); i < (rows - kept) * count; i += threads_in_block()) {
      Cell merged = cells[i];  // whole cells, which one access moves
      const Cell other = cells[kept * count + i];
      merge(merged, other);
      cells[i] = merged;
    }
    __syncthreads();
    rows = kept;
  }
}

/// Counts the block in, after what it has written; true in the block that is the last of `blocks`,
/// which then may read (with load_partial) what they all wrote. The counter starts at 0 and is 0
/// again afterwards. Every thread of the block calls it.
__device__ inline bool is_last_block(unsigned* counter, unsigned blocks) {
  __syncthreads();
  bool last = false;
  if (thread_in_block() == 0) {
    __threadfence();  // of all that the barrier has put before it
    last = atomicInc(counter, blocks - 1) == blocks - 1;
    __threadfence();
  }
  return __syncthreads_or(last) != 0;
}

/// How many partial results the last block of a family merges.
constexpr int64_t kFamily = 32;

/// Rows of partials and counters that merge_blocks takes for `blocks` blocks.
constexpr int64_t partial_rows(int64_t blocks) {
  return blocks > 1 ? blocks + partial_rows((blocks + kFamily - 1) / kFamily) : 0;
}
constexpr int64_t partial_counters(int64_t blocks) {
  const int64_t families = (blocks + kFamily - 1) / kFamily;
  return blocks > 1 ? families + partial_counters(families) : 0;
}

/// Merges `count` cells, in shared memory, over `blocks` blocks of which this is number `block`.
/// True in the block that ends up with the result in its `cells`: the others are done. The last
/// block of each family of kFamily merges the family's cells, then the last of each family of
/// families, and so on, so that no block reads more than kFamily rows at a time.
/// `partials` has partial_rows(blocks) rows of `count` cells, `counters` partial_counters(blocks)
/// zeros, which are zeros again afterwards. Every thread of the block calls it.
template <typename Cell>
__device__ bool merge_blocks(Cell* cells, unsigned count, Cell* partials, unsigned* counters,
                             unsigned block, unsigned blocks) {
  constexpr unsigned kMembers = kFamily;
  constexpr unsigned kAtOnce = 8;  // reads under way; the last member's again where there are fewer
  __syncthreads();
  while (blocks > 1) {
    const unsigned family = block / kMembers;
    const unsigned families = (blocks + kMembers - 1) / kMembers;
    const unsigned members = min(kMembers, blocks - family * kMembers);
    for (unsigned i = thread_in_block(); i < count; i += threads_in_block()) {
      partials[static_cast<int64_t>(block) * count + i] = cells[i];
    }
    if (!is_last_block(counters + family, members)) return false;
    const Cell* rows = partials + static_cast<int64_t>(family) * kMembers * count;
    for (unsigned i = thread_in_block(); i < count; i += threads_in_block()) {
      Cell merged = load_partial(rows + i);
      for (unsigned first = 1; first < members; first += kAtOnce) {
        Cell next[kAtOnce];
#pragma unroll
        for (unsigned k = 0; k < kAtOnce; ++k) {
          next[k] = load_partial(rows + int64_t{min(first + k, members - 1)} * count + i);
        }
#pragma unroll
        for (unsigned k = 0; k < kAtOnce; ++k) {
          if (first + k < members) merge(merged, next[k]);
        }
      }
      cells[i] = merged;
    }
    partials += static_cast<int64_t>(blocks) * count;
    counters += families;
    block = family;
    blocks = families;
  }
  __syncthreads();
  return true;
}

}  // namespace ember::cuda
