#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/batch_norm.h"
#include "kernels/cuda/reduction.cuh"
#include "kernels/epilogue.h"
#include "tensor/cuda/block_counters.h"
#include "tensor/scratch.h"

/// Mean and variance of each channel, gathered by the blocks of one kernel from the tiles they
/// write: the convolutions' epilogues and channel_moments.
///
/// Sums are shifted by a value of their own channel, which stands near the mean wherever the mean
/// dwarfs the spread, so a variance is never a small difference of large squares:
///
///     sum = sum of (x - shift)        squares = sum of (x - shift)^2
///
/// Sums about b become sums about a with d = b - a:
///
///     sum += count * d        squares += d * (2 * sum + count * d)      (sum: before)
namespace ember::cuda {

/// One channel's sums over some elements; without elements all zero.
struct alignas(16) MomentSums {
  float count = 0;
  float shift = 0;
  float sum = 0;
  float squares = 0;
};

/// Takes in one more element.
__device__ inline void add(MomentSums& sums, float x) {
  if (sums.count == 0) sums.shift = x;
  const float difference = x - sums.shift;
  sums.count += 1;
  sums.sum += difference;
  sums.squares = fmaf(difference, difference, sums.squares);
}

/// Takes in one more element of each lane's channel.
__device__ inline void add_lanes(MomentSums* sums, float x) { add(sums[0], x); }
__device__ inline void add_lanes(MomentSums* sums, float4 x) {
  add(sums[0], x.x);
  add(sums[1], x.y);
  add(sums[2], x.z);
  add(sums[3], x.w);
}

__device__ inline void merge(MomentSums& to, const MomentSums& from) {
  if (to.count == 0) to.shift = from.shift;
  const float difference = from.shift - to.shift;
  to.count += from.count;
  to.sum += fmaf(from.count, difference, from.sum);
  to.squares += fmaf(difference, fmaf(from.count, difference, 2 * from.sum), from.squares);
}

__device__ inline MomentSums load_partial(const MomentSums* from) {
  const float4 cell = __ldcg(reinterpret_cast<const float4*>(from));
  return {cell.x, cell.y, cell.z, cell.w};
}

/// A BatchNormFold on the device; without a scale there is nothing to fold.
struct FoldChannels {
  const float* gamma = nullptr;
  const float* beta = nullptr;
  float* moving_mean = nullptr;  ///< null: none
  float* moving_variance = nullptr;
  float* scale = nullptr;
  float* shift = nullptr;
  float epsilon = 0;
  float momentum = 0;

  FoldChannels() = default;
  explicit FoldChannels(BatchNormFold& fold)
      : gamma(fold.gamma.data()),
        beta(fold.beta.data()),
        moving_mean(fold.moving == nullptr ? nullptr : fold.moving->mean.data()),
        moving_variance(fold.moving == nullptr ? nullptr : fold.moving->variance.data()),
        scale(fold.scale.data()),
        shift(fold.shift.data()),
        epsilon(fold.epsilon),
        momentum(fold.momentum) {}

  __device__ void fold(unsigned c, float mean, float variance) const {
    const double factor = gamma[c] / sqrt(double{variance} + epsilon);
    scale[c] = static_cast<float>(factor);
    shift[c] = static_cast<float>(beta[c] - mean * factor);
    if (moving_mean == nullptr) return;
    const auto update = [&](float& value, float batch) {
      value = static_cast<float>(double{momentum} * value + (1.0 - double{momentum}) * batch);
    };
    update(moving_mean[c], mean);
    update(moving_variance[c], variance);
  }
};

/// Where a kernel's blocks merge their sums, and what becomes of the moments. The grid covers the
/// output by `groups` groups of `group_channels` channels and `tiles` tiles a group.
struct MomentsOutput {
  float* mean = nullptr;  ///< null: the caller wants no moments
  float* variance = nullptr;
  MomentSums* partials = nullptr;
  unsigned* counters = nullptr;
  unsigned channels = 0;
  unsigned tiles = 0;
  FoldChannels norm;

  MomentsOutput() = default;
  MomentsOutput(const Epilogue& epilogue, int64_t groups, int64_t tile_count,
                int64_t group_channels) {
    Moments* moments = epilogue.gathered();
    if (moments == nullptr) return;
    if (epilogue.fold != nullptr) norm = FoldChannels(*epilogue.fold);
    mean = moments->mean.data();
    variance = moments->variance.data();
    channels = static_cast<unsigned>(moments->mean.size());
    tiles = static_cast<unsigned>(tile_count);
    partials = reinterpret_cast<MomentSums*>(scratch(
        Scratch::partial_sums, groups * partial_rows(tiles) * group_channels * 4, Device::cuda));
    counters = block_counters(groups * partial_counters(tiles));
  }
};

/// A thread's place in a block of (rows, vectors) threads, each with the sums of neighbouring
/// channels.
struct MomentsPlace {
  unsigned row, rows;
  unsigned vector, vectors;
};

/// Ends a kernel that gathers moments: merges the sums of the block's threads, then with those of
/// the other tiles of its group; the last block writes mean and biased variance. `cells` is shared
/// memory for kLaneCount cells a thread, which nobody uses any more. Every thread of the block
/// calls it.
template <int kLaneCount>
__device__ void finish_moments(const MomentSums (&sums)[kLaneCount], const MomentsPlace& place,
                               MomentSums* cells, const MomentsOutput& output, unsigned group,
                               unsigned tile) {
  // A row of cells is (lanes, vectors), so that neighbouring threads write neighbouring cells.
  const unsigned count = kLaneCount * place.vectors;
  __syncthreads();
#pragma unroll
  for (int lane = 0; lane < kLaneCount; ++lane) {
    cells[place.row * count + lane * place.vectors + place.vector] = sums[lane];
  }
  merge_rows(cells, place.rows, count);
  if (!merge_blocks(cells, count, output.partials + group * partial_rows(output.tiles) * count,
                    output.counters + group * partial_counters(output.tiles), tile, output.tiles)) {
    return;
  }
  for (unsigned i = thread_in_block(); i < count; i += threads_in_block()) {
    const unsigned channel = group * count + i;
    if (channel >= output.channels) continue;
    const MomentSums total = cells[i % kLaneCount * place.vectors + i / kLaneCount];
    const double rows = total.count;
    const double offset = total.sum / rows;  // of the mean from the shift
    const double variance = total.squares / rows - offset * offset;
    const auto mean = static_cast<float>(total.shift + offset);
    const auto biased = static_cast<float>(variance > 0 || isnan(variance) ? variance : 0.0);
    output.mean[channel] = mean;
    output.variance[channel] = biased;
    if (output.norm.scale != nullptr) output.norm.fold(channel, mean, biased);
  }
}

}  // namespace ember::cuda
