// The ladder of the weights' gradient, dweight[kh, kw, c] = sum of x * dy over all pixels:
//   1. a thread a weight: it reads all of x and dy alone, and there are few weights
//   2. a block a tile of dy and a tap: nine times the bytes, but every GPU core at work; kernels
//      other than 3x3 stop here
//   3. a block goes down its tile as the convolution does (depthwise_conv2d.cu): a row of x passes
//      through shared memory once, and each thread keeps the 9 sums of its column in registers,
//      with the 3 (stride 2: 2) values of dy whose windows the row lies in
//   4. the block's sums are merged over columns and blocks in fixed order, in the same launch
#include "kernels/cuda/depthwise.cuh"
#include "kernels/depthwise_conv2d.h"

namespace ember::cuda {
namespace {

/// Half of the other kernels': the nine sums take registers and shared memory.
constexpr unsigned kThreads = 128;

/// Where blocks merge their sums. A block has (taps, vectors) cells.
struct WeightSums {
  float* dweight;
  float* partials;
  unsigned* counters;

  WeightSums(Tensor& gradient, const DepthwiseTiles& tiles, int64_t taps, int lanes)
      : dweight(gradient.data()),
        partials(
            scratch(Scratch::partial_sums,
                    partial_rows(tiles.tiles) * tiles.groups * kDepthwiseVectors * taps * lanes,
                    Device::cuda)),
        counters(block_counters(partial_counters(tiles.tiles) * tiles.groups * taps)) {}

  /// Ends a kernel whose block has summed up `taps` taps from `first_tap` on: `cells` (columns,
  /// taps, vectors). Block (x, y, z) is tile x of group y, and z counts runs of taps.
  template <class V>
  __device__ void finish(V* cells, unsigned taps, unsigned first_tap, unsigned tiles,
                         int channels) const {
    const unsigned count = taps * kDepthwiseVectors;
    const unsigned share = blockIdx.z * gridDim.y + blockIdx.y;
    merge_rows(cells, blockDim.y * blockDim.z, count);
    if (!merge_blocks(cells, count,
                      reinterpret_cast<V*>(partials) + share * partial_rows(tiles) * count,
                      counters + share * partial_counters(tiles), blockIdx.x, tiles)) {
      return;
    }
    for (unsigned i = thread_in_block(); i < count; i += threads_in_block()) {
      const auto channel =
          static_cast<int>((blockIdx.y * kDepthwiseVectors + i % kDepthwiseVectors) * kLanes<V>);
      const int64_t tap = first_tap + i / kDepthwiseVectors;
      if (channel < channels) store(dweight + tap * channels + channel, cells[i]);
    }
  }
};

/// dweight of a 3x3 kernel.
template <class V, int kStride>
__global__ void __launch_bounds__(kThreads, 3)
    depthwise_wgrad_kernel(ActivationSource x, GradientSource dy, DepthwiseShape s,
                           DepthwiseTiles tiles, WeightSums output) {
  using Stage = RowStage<V, ActivationSource, kStride + 1>;
  using Rows = WindowRows<kStride, Stage>;
  constexpr int kOpen = Rows::kOpen;
  constexpr unsigned kRows = Stage::shared_vectors(kThreads);
  constexpr unsigned kCells = kThreads * kFastTaps;
  __shared__ __align__(16) unsigned char shared[(kRows > kCells ? kRows : kCells) * sizeof(V)];
  auto* cells = reinterpret_cast<V*>(shared);

  const auto channels = static_cast<int>(s.channels);
  const auto out_width = static_cast<int>(s.out_width);
  const auto tile = DepthwiseTile::of_block<V>(tiles, static_cast<int>(s.out_height), channels);
  Stage stage(x, static_cast<int>(s.height), static_cast<int>(s.width), channels, tile,
              tile.first_column * kStride - s.window.padding.left,
              (static_cast<int>(blockDim.y) - 1) * kStride + kFastSize, cells);
  using Dy = Reader<V, GradientSource>;
  const Dy dy_reader(dy, tile.channel);
  const bool active = tile.active && tile.column < out_width;
  int64_t offset = ((tile.image * s.out_height + tile.row) * s.out_width + tile.column) * channels +
                   tile.channel;
  typename Dy::Fetched dy_next{};
  if (active) dy_next = dy_reader.fetch(offset);

  V sums[kFastTaps];
  for (V& sum : sums) sum = broadcast<V>(0.0f);
  V open[kOpen];  // dy of the output rows whose windows the present row of x may lie in
  for (V& gradient : open) gradient = broadcast<V>(0.0f);

  Rows rows(stage, tile, s.window.padding.top);
  for (int step = 0; step < rows.steps(); ++step) {
#pragma unroll
    for (int a = kOpen - 1; a > 0; --a) open[a] = open[a - 1];
    open[0] = active && step < tile.rows ? dy_reader(dy_next) : broadcast<V>(0.0f);
    offset += int64_t{out_width} * channels;
    if (active && step + 1 < tile.rows) dy_next = dy_reader.fetch(offset);
    rows.advance(step, [&](int a, int tap, V value) {
      sums[tap] = multiply_add(value, open[a], sums[tap]);
    });
  }
  __syncthreads();
#pragma unroll
  for (int tap = 0; tap < kFastTaps; ++tap) {
    cells[(depthwise_line() * kFastTaps + tap) * kDepthwiseVectors + threadIdx.x] = sums[tap];
  }
  output.finish(cells, kFastTaps, 0, tiles.tiles, channels);
}

/// dweight for any kernel, stride and padding, one tap a block.
template <class V>
__global__ void __launch_bounds__(kThreads)
    depthwise_tap_gradient_kernel(ActivationSource x, GradientSource dy, DepthwiseShape s,
                                  DepthwiseTiles tiles, WeightSums output) {
  __shared__ __align__(16) unsigned char shared[kThreads * sizeof(V)];
  auto* cells = reinterpret_cast<V*>(shared);
  const auto channels = static_cast<int>(s.channels);
  const auto tile = DepthwiseTile::of_block<V>(tiles, static_cast<int>(s.out_height), channels);
  const Reader<V, ActivationSource> x_reader(x, tile.channel);
  const Reader<V, GradientSource> dy_reader(dy, tile.channel);
  const int64_t w =
      tile.column * s.window.stride_w + blockIdx.z % s.kernel_w - s.window.padding.left;
  const bool active = tile.active && tile.column < s.out_width && 0 <= w && w < s.width;
  V sum = broadcast<V>(0.0f);
  for (int row = tile.row; row < tile.row + tile.rows; ++row) {
    const int64_t h = row * s.window.stride_h + blockIdx.z / s.kernel_w - s.window.padding.top;
    if (!active || h < 0 || h >= s.height) continue;
    const int64_t in = ((tile.image * s.height + h) * s.width + w) * channels + tile.channel;
    const int64_t out =
        ((tile.image * s.out_height + row) * s.out_width + tile.column) * channels + tile.channel;
    sum = multiply_add(x_reader(x_reader.fetch(in)), dy_reader(dy_reader.fetch(out)), sum);
  }
  cells[depthwise_line() * kDepthwiseVectors + threadIdx.x] = sum;
  output.finish(cells, 1, blockIdx.z, tiles.tiles, channels);
}

template <class V>
void wgrad(const ActivationSource& x, const GradientSource& dy, const DepthwiseShape& s,
           Tensor& dweight) {
  const DepthwiseTiles tiles(s.images, s.out_height, s.out_width, s.channels, kLanes<V>, kThreads);
  const int64_t taps = s.kernel_h * s.kernel_w;
  const WeightSums output(dweight, tiles, taps, kLanes<V>);
  LaunchConfig config = tiles.launch_config();
  if (has_fast_kernel(s)) {
    launch(s.window.stride_h == 1 ? depthwise_wgrad_kernel<V, 1> : depthwise_wgrad_kernel<V, 2>,
           config, x, dy, s, tiles, output);
  } else {
    config.grid.z = static_cast<unsigned>(taps);
    launch(depthwise_tap_gradient_kernel<V>, config, x, dy, s, tiles, output);
  }
}

}  // namespace

void depthwise_conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                            const PendingGradient& dz_pending, const Window& window,
                            Tensor& dweight) {
  const DepthwiseShape shape(x.shape(), dweight.shape(), dz.shape(), window);
  const ActivationSource source{x.data(), x_pending};
  const GradientSource dy(dz.data(), dz_pending);
  const bool vector =
      fits_float4(shape.channels, {dweight.data()}) && fits_float4(source) && fits_float4(dy);
  (vector ? wgrad<float4> : wgrad<float>)(source, dy, shape, dweight);
}

}  // namespace ember::cuda
