#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernels/cuda/moments.cuh"
#include "kernels/cuda/source.cuh"
#include "kernels/depthwise_rows.h"
#include "tensor/cuda/launch.h"

/// How the depthwise convolutions' blocks share out an image and read its rows.
namespace ember::cuda {

using cpu::DepthwiseShape;

/// V's of channels in a block: 128 bytes of a pixel where V is float4.
inline constexpr unsigned kDepthwiseVectors = 8;
inline constexpr unsigned kDepthwiseThreads = 256;

/// Tiles of a plane (images, height, width) of pixels, for all groups of channels. A block has
/// (vectors, columns, images) threads: neighbouring threads have neighbouring channels, then
/// neighbouring columns, and where an image is narrow the block has several; each thread goes down
/// the rows of its band.
struct DepthwiseTiles {
  unsigned columns;
  unsigned block_images;
  unsigned images;
  unsigned rows;
  unsigned bands;         ///< in an image
  unsigned column_tiles;  ///< in a row
  unsigned tiles;
  unsigned groups;  ///< of channels

  /// For blocks of at most `most_threads` threads. A band halves until there are threads enough for
  /// the largest GPU, but keeps 8 rows: the rows that two bands both read weigh little.
  DepthwiseTiles(int64_t image_count, int64_t height, int64_t width, int64_t channels, int lanes,
                 unsigned most_threads = kDepthwiseThreads)
      : images(static_cast<unsigned>(image_count)) {
    constexpr int64_t kThreadsWanted = 1 << 16;
    const uint64_t most_columns = most_threads / kDepthwiseVectors;
    columns = static_cast<unsigned>(
        std::clamp<uint64_t>(std::bit_ceil(static_cast<uint64_t>(width)), 4, most_columns));
    block_images = static_cast<unsigned>(most_columns) / columns;
    groups = blocks_for(channels, int64_t{lanes} * kDepthwiseVectors);
    column_tiles = blocks_for(width, columns);
    const int64_t planes = int64_t{blocks_for(images, block_images)} * column_tiles;
    int64_t band = height;
    const auto threads = [&] {
      return (height + band - 1) / band * planes * groups * most_threads;
    };
    while (threads() < kThreadsWanted && band > 8) band = (band + 1) / 2;
    rows = static_cast<unsigned>(band);
    bands = blocks_for(height, band);
    tiles = blocks_for(planes * bands, 1);
  }

  LaunchConfig launch_config() const {
    return {dim3(tiles, groups), dim3(kDepthwiseVectors, columns, block_images), current_stream()};
  }
};

/// A block's tile, and its thread's column and channels.
struct DepthwiseTile {
  int image;         ///< the thread's
  int row;           ///< the first
  int rows;          ///< up to the plane's height
  int first_column;  ///< the block's
  int column;        ///< the thread's
  int channel;       ///< the first of the thread's
  bool active;       ///< whether the thread has an image and channels

  template <class V>
  static __device__ DepthwiseTile of_block(const DepthwiseTiles& tiles, int height, int channels) {
    DepthwiseTile tile;
    const unsigned band = blockIdx.x / tiles.column_tiles;
    tile.image = static_cast<int>(band / tiles.bands * blockDim.z + threadIdx.z);
    tile.row = static_cast<int>(band % tiles.bands * tiles.rows);
    tile.rows = min(static_cast<int>(tiles.rows), height - tile.row);
    tile.first_column = static_cast<int>(blockIdx.x % tiles.column_tiles * tiles.columns);
    tile.column = tile.first_column + static_cast<int>(threadIdx.y);
    tile.channel = static_cast<int>(blockIdx.y * kDepthwiseVectors + threadIdx.x) * kLanes<V>;
    tile.active = tile.image < static_cast<int>(tiles.images) && tile.channel < channels;
    if (tile.channel >= channels) tile.channel = 0;
    return tile;
  }
};

/// The thread's row where the block's threads are (rows, vectors).
__device__ inline unsigned depthwise_line() { return threadIdx.z * blockDim.y + threadIdx.y; }

/// The windows that have fast kernels.
inline constexpr int kFastSize = 3;
inline constexpr int kFastTaps = kFastSize * kFastSize;

/// Whether they serve this convolution.
inline bool has_fast_kernel(const DepthwiseShape& s) {
  return s.kernel_h == kFastSize && s.kernel_w == kFastSize &&
         s.window.stride_h == s.window.stride_w && s.window.stride_h <= 2;
}

/// A source at the channels that a thread keeps.
template <class V, class Source>
class Reader {
 public:
  using Fetched = typename Source::template Fetched<V>;

  __device__ Reader(const Source& source, int channel)
      : source_(source), transform_(source.template at<V>(channel)) {}
  __device__ Fetched fetch(int64_t offset) const { return source_.template fetch<V>(offset); }
  __device__ V operator()(const Fetched& fetched) const { return transform_(fetched); }

 private:
  const Source& source_;
  typename Source::template Transform<V> transform_;
};

/// Brings the rows of a block's tile through shared memory, one after the other: every value is
/// read from device memory once and transformed once, and then stands there for all the columns
/// whose window it lies in. While a row is worked on, the next one is on its way.
/// A tile of n columns reads at most kReach * n.
template <class V, class Source, int kReach>
class RowStage {
 public:
  /// V's of shared memory for blocks of `threads` threads: two rows, with a halo of two columns
  /// for every four.
  static constexpr unsigned shared_vectors(unsigned threads) {
    return 2 * ((kReach - 1) * threads + threads / 2);
  }

  /// Reads `read_columns` columns of the block's images (in a (images, height, width, channels)
  /// tensor), from column `first_column` on, which may lie outside: zeros stand there.
  __device__ RowStage(const Source& source, int height, int width, int channels,
                      const DepthwiseTile& tile, int first_column, int read_columns, V* shared)
      : reader_(source, tile.channel),
        shared_(shared),
        image_vectors_(read_columns * static_cast<int>(kDepthwiseVectors)),
        height_(height),
        row_elements_(width * channels),
        image_(int64_t{tile.image} * height * row_elements_) {
    for (int i = 0; i < kReach; ++i) {
      const int read = static_cast<int>(threadIdx.y + i * blockDim.y);
      const int column = first_column + read;
      const bool inside = tile.active && read < read_columns && 0 <= column && column < width;
      offset_[i] = inside ? column * channels + tile.channel : -1;
      fetched_[i] = {};
    }
  }

  /// Asks for row `row`, which may lie outside the image.
  __device__ void fetch(int row) {
    fetched_inside_ = 0 <= row && row < height_;
    if (!fetched_inside_) return;
    const int64_t start = image_ + int64_t{row} * row_elements_;
#pragma unroll
    for (int i = 0; i < kReach; ++i) {
      if (offset_[i] >= 0) fetched_[i] = reader_.fetch(start + offset_[i]);
    }
  }

  /// Puts the row that was asked for in shared memory and asks for row `next`. Returns the thread's
  /// image there, as (columns, vectors); null if the row lies outside the image. Every thread of
  /// the block calls it.
  __device__ const V* advance(int next) {
    const bool inside = fetched_inside_;
    V* row = shared_ + (second_ * blockDim.z + threadIdx.z) * image_vectors_;
    second_ = 1 - second_;
    if (inside) {
#pragma unroll
      for (int i = 0; i < kReach; ++i) {
        const auto place =
            static_cast<int>((threadIdx.y + i * blockDim.y) * kDepthwiseVectors + threadIdx.x);
        if (place >= image_vectors_) continue;
        row[place] = offset_[i] >= 0 ? reader_(fetched_[i]) : broadcast<V>(0.0f);
      }
    }
    fetch(next);
    // The other row may be overwritten only behind the next barrier, when all have read it.
    __syncthreads();
    return inside ? row : nullptr;
  }

 private:
  Reader<V, Source> reader_;
  V* shared_;
  int image_vectors_;
  int height_;
  int row_elements_;
  int64_t image_;
  int offset_[kReach];  ///< in a row; negative where there is nothing to read
  typename Reader<V, Source>::Fetched fetched_[kReach];
  bool fetched_inside_ = false;
  unsigned second_ = 0;
};

/// Goes down the input rows of a tile's windows, kStride of them a step. Step i brings the first
/// row of the windows of output row i; at that time the windows of kOpen output rows are open, of
/// which number a began a steps ago.
template <int kStride, class Stage>
class WindowRows {
 public:
  static constexpr int kOpen = (kFastSize + kStride - 1) / kStride;

  __device__ WindowRows(Stage& stage, const DepthwiseTile& tile, int top)
      : stage_(stage),
        first_(tile.row * kStride - top),
        last_(first_ + (tile.rows - 1) * kStride + kFastSize - 1),
        steps_(tile.rows + kOpen - 1) {
    stage_.fetch(first_);
  }

  __device__ int steps() const { return steps_; }

  /// Calls `use(a, tap, value)` for each value of the step's rows that lies in the thread's window,
  /// as tap `tap` of open output row a. Every thread of the block calls it, step by step.
  template <class Use>
  __device__ void advance(int step, const Use& use) {
#pragma unroll
    for (int phase = 0; phase < kStride; ++phase) {
      const int row = first_ + step * kStride + phase;
      if (row > last_) break;
      const auto* values = stage_.advance(row < last_ ? row + 1 : -1);
      if (values == nullptr) continue;
      values += threadIdx.y * kStride * kDepthwiseVectors + threadIdx.x;
#pragma unroll
      for (int kw = 0; kw < kFastSize; ++kw) {
        const auto value = values[kw * kDepthwiseVectors];
#pragma unroll
        for (int a = 0; a < kOpen; ++a) {
          const int kh = phase + a * kStride;
          if (kh < kFastSize) use(a, kh * kFastSize + kw, value);
        }
      }
    }
  }

 private:
  Stage& stage_;
  int first_;
  int last_;
  int steps_;
};

}  // namespace ember::cuda
