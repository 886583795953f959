#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/cuda/launch.h"
#include "tensor/cuda/vector.cuh"

/// How element-wise kernels share out a (rows, channels) matrix: each thread keeps its channels, so
/// that it loads their coefficients once, and strides over rows. Neighbouring threads have
/// neighbouring channels, or the next row's where a row is short.
namespace ember::cuda {

/// The most threads of a block of channel_block().
inline constexpr int kChannelThreads = 256;

/// Threads (channels, rows) of a block, `lanes` channels to a thread.
inline dim3 channel_block(int64_t channels, int lanes) {
  const int64_t columns = (channels + lanes - 1) / lanes;
  const auto width = static_cast<unsigned>(std::min<int64_t>(columns, kChannelThreads));
  return {width, kChannelThreads / width, 1};
}

/// For a matrix of `size` elements: one row a thread until there are blocks enough for the largest
/// GPU, then more.
inline LaunchConfig channel_grid(int64_t size, int64_t channels, int lanes) {
  constexpr unsigned kMaxRowBlocks = 2048;
  if (size == 0) return {dim3(0), dim3(1), current_stream()};
  const int64_t rows = size / channels;
  const dim3 block = channel_block(channels, lanes);
  const unsigned column_blocks = blocks_for(channels, int64_t{lanes} * block.x);
  const unsigned row_blocks = std::min(blocks_for(rows, block.y), kMaxRowBlocks);
  return {dim3(column_blocks, row_blocks), block, current_stream()};
}

/// As many blocks as CUDA allows along y or z; what is left they stride over.
inline unsigned capped_blocks(int64_t count) {
  constexpr int64_t kMost = 65535;
  return static_cast<unsigned>(std::min(count, kMost));
}

/// The first channel of a thread, where blocks (x) and threads (x) share out the channels; the
/// thread has nothing to do if it is no channel.
template <class V>
__device__ __forceinline__ int64_t thread_channel() {
  return (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * kLanes<V>;
}

/// A thread's part of a matrix of `channels` columns, in elements.
template <class V>
struct ChannelWalk {
  int64_t channel;  ///< thread_channel()
  int64_t first;    ///< the element of its first row
  int64_t stride;   ///< from row to row

  __device__ explicit ChannelWalk(int64_t channels)
      : channel(thread_channel<V>()),
        first((int64_t{blockIdx.y} * blockDim.y + threadIdx.y) * channels + channel),
        stride(int64_t{gridDim.y} * blockDim.y * channels) {}
};

}  // namespace ember::cuda
