// The ladder of BatchNorm's reductions over all rows of a (rows, C) activation:
//   1. a thread a channel (kernels/naive/batch_norm.cu): a few thousand threads at most, each
//      waiting for one load after the other
//   2. blocks of rows share out the work; a warp reads neighbouring channels, 16 bytes a thread
//   3. the block's threads merge their sums as a tree in shared memory
//   4. blocks merge theirs in the same launch, which also ends with the formulas of each channel:
//      the last block to finish writes gradients and coefficients; no launch is left to wait for
// What normalises is no pass at all: scale and shift are pending (see batch_norm.h). And the
// convolutions gather both kinds of sums as they write (moments.cuh, gradient_sums.cuh): these
// kernels are for what comes from elsewhere.
#include "kernels/batch_norm.h"

#include <algorithm>

#include "kernels/cuda/gradient_sums.cuh"
#include "kernels/cuda/moments.cuh"
#include "kernels/cuda/pending.cuh"
#include "tensor/cuda/launch.h"

namespace ember::cuda {
namespace {

constexpr int kThreads = 256;

/// How blocks of (vectors, lines) threads share out a (rows, channels) matrix: block (x, y) has the
/// channels of group y in every row that its tile x strides over.
struct RowTiles {
  int64_t rows;
  int64_t channels;
  unsigned vectors;
  unsigned lines;
  unsigned tiles;
  unsigned groups;

  RowTiles(const Tensor& matrix, int lanes) : channels(matrix.dim(-1)) {
    constexpr int64_t kMaxBlocks = 1024;
    constexpr int64_t kRowsPerThread = 8;
    rows = matrix.size() / channels;
    const int64_t columns = (channels + lanes - 1) / lanes;
    // Whole 128-byte lines where V is float4; of the widths, the one that leaves the fewest idle.
    vectors = 32;
    for (const unsigned narrower : {24u, 16u, 8u}) {
      if (blocks_for(columns, narrower) * narrower < blocks_for(columns, vectors) * vectors) {
        vectors = narrower;
      }
    }
    groups = blocks_for(columns, vectors);
    lines = kThreads / vectors;
    tiles = static_cast<unsigned>(std::clamp<int64_t>(rows / (kRowsPerThread * lines), 1,
                                                      std::max<int64_t>(kMaxBlocks / groups, 1)));
  }

  LaunchConfig launch_config() const {
    return {dim3(tiles, groups), dim3(vectors, lines), current_stream()};
  }
  /// The first channel of the thread's, which may be none.
  template <class V>
  __device__ int64_t channel() const {
    return int64_t{blockIdx.y * vectors + threadIdx.x} * kLanes<V>;
  }
  __device__ int64_t first_row() const { return int64_t{blockIdx.x} * lines + threadIdx.y; }
  __device__ int64_t row_stride() const { return int64_t{tiles} * lines; }
};

template <class V>
__global__ void __launch_bounds__(kThreads)
    channel_moments_kernel(const float* x, RowTiles tiles, MomentsOutput output) {
  __shared__ __align__(16) unsigned char shared[kThreads * kLanes<V> * sizeof(MomentSums)];
  const int64_t channel = tiles.channel<V>();
  MomentSums sums[kLanes<V>];
  if (channel < tiles.channels) {
#pragma unroll 4
    for (int64_t row = tiles.first_row(); row < tiles.rows; row += tiles.row_stride()) {
      add_lanes(sums, load<V>(x + row * tiles.channels + channel));
    }
  }
  finish_moments(sums, {threadIdx.y, tiles.lines, threadIdx.x, tiles.vectors},
                 reinterpret_cast<MomentSums*>(shared), output, blockIdx.y, blockIdx.x);
}

/// Some of a model's BatchNorms, as a kernel's argument.
struct FoldBatch {
  static constexpr int kMost = 32;
  FoldChannels norms[kMost];
  const float* means[kMost];
  const float* variances[kMost];
  int64_t channels[kMost];
};

/// One row of blocks for each.
__global__ void __launch_bounds__(kThreads)
    batch_norm_fold_kernel(const __grid_constant__ FoldBatch batch) {
  const unsigned c = blockIdx.x * blockDim.x + threadIdx.x;
  const unsigned i = blockIdx.y;
  if (c < batch.channels[i]) batch.norms[i].fold(c, batch.means[i][c], batch.variances[i][c]);
}

template <class V>
__global__ void __launch_bounds__(kThreads)
    batch_norm_backward_kernel(const float* dz, RowTiles tiles, GradientSumsOutput output) {
  __shared__ __align__(16) unsigned char shared[2 * kThreads * sizeof(V)];
  const int64_t channel = tiles.channel<V>();
  GradientSums<V> sums;
  if (channel < tiles.channels) {
    const ChannelNorm<V> norm(output, channel);
#pragma unroll 4
    for (int64_t row = tiles.first_row(); row < tiles.rows; row += tiles.row_stride()) {
      const int64_t i = row * tiles.channels + channel;
      norm.add_to(sums, load<V>(dz + i), load<V>(output.raw + i));
    }
  }
  finish_gradient_sums(sums, {threadIdx.y, tiles.lines, threadIdx.x, tiles.vectors},
                       reinterpret_cast<V*>(shared), output, blockIdx.y, blockIdx.x);
}

template <class V>
void backward(const Tensor& dz, BatchNormBackward& norm) {
  const RowTiles tiles(dz, kLanes<V>);
  const GradientSumsOutput output(&norm, tiles.groups, tiles.tiles,
                                  int64_t{tiles.vectors} * kLanes<V>);
  launch(batch_norm_backward_kernel<V>, tiles.launch_config(), dz.data(), tiles, output);
}

template <class V>
void moments_of(const Tensor& x, Moments& moments) {
  const RowTiles tiles(x, kLanes<V>);
  const MomentsOutput output({.moments = &moments}, tiles.groups, tiles.tiles,
                             int64_t{tiles.vectors} * kLanes<V>);
  launch(channel_moments_kernel<V>, tiles.launch_config(), x.data(), tiles, output);
}

}  // namespace

void channel_moments(const Tensor& x, Moments& moments) {
  (fits_float4(x.dim(-1), {x.data()}) ? moments_of<float4> : moments_of<float>)(x, moments);
}

void batch_norm_fold(std::span<BatchNormFold> folds) {
  for (size_t first = 0; first < folds.size(); first += FoldBatch::kMost) {
    const auto some =
        folds.subspan(first, std::min<size_t>(folds.size() - first, FoldBatch::kMost));
    FoldBatch batch;
    int64_t widest = 0;
    for (size_t i = 0; i < some.size(); ++i) {
      batch.norms[i] = FoldChannels(some[i]);
      batch.means[i] = some[i].moments.mean.data();
      batch.variances[i] = some[i].moments.variance.data();
      batch.channels[i] = some[i].gamma.size();
      widest = std::max(widest, batch.channels[i]);
    }
    const dim3 grid(blocks_for(widest, kThreads), static_cast<unsigned>(some.size()));
    launch(batch_norm_fold_kernel, {grid, kThreads, current_stream()}, batch);
  }
}

void batch_norm_backward(const Tensor& dz, const BatchNormBackward& norm) {
  const bool vector = fits_float4(dz.dim(-1), {dz.data()}) && fits_float4(&norm);
  BatchNormBackward shared = norm;  // its tensors share their elements
  (vector ? backward<float4> : backward<float>)(dz, shared);
}

}  // namespace ember::cuda
