// The ladder of the gradient of a convolution's weights, dweight = dy^T * patches(x):
//   1. a thread a weight: each walks over all pixels, and both activations are read once a weight
//   2. implicit matrix product (gemm.cuh), whose depth is the pixels: dy and x are read as they
//      stand, whole rows of channels at a time
//   3. the result is small and the depth large, so the pixels are split over the blocks and the
//      blocks that share a tile merge it in fixed order
//   4. what is pending on either operand is applied on the way to shared memory
//   5. dbias is one more column: the sums of dy are its product with ones
//   6. photos have too few channels for 16-byte accesses: a direct kernel copies their rows to
//      shared memory as they stand and reads the patches there
#include "kernels/conv2d.h"
#include "kernels/cuda/convolution.cuh"
#include "kernels/cuda/direct_convolution.cuh"
#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/intrinsics.cuh"

namespace ember::cuda {
namespace {

using GradientRows = Operand<MatrixLayout, GradientSource, false>;

/// dweight (O, KH * KW * I) and, right of it, dbias (O) if there is one.
struct WeightGradient {
  ProductOutput dweight;
  float* dbias;

  int columns() const { return dweight.columns + (dbias != nullptr ? 1 : 0); }

  template <class V>
  __device__ void write(int row, int column, V value) const {
    if (dweight.holds(row, column)) {
      dweight(row, column, value);
    } else if (dbias != nullptr && row < dweight.rows && column == dweight.columns) {
      dbias[row] = first_lane(value);
    }
  }
};

template <class T, class V, class X>
__global__ void __launch_bounds__(T::kThreads, T::kBlocks)
    conv2d_wgrad_kernel(GradientRows dy, X x, ProductGrid grid, WeightGradient gradient) {
  using Product = TiledProduct<T, V, GradientRows, X>;
  __shared__ float4 shared[Product::kShared];
  Product product(grid, shared);
  product.multiply(dy, x);
  product.finish([&](int row, int column, V value) { gradient.write(row, column, value); });
}

template <class V, class... Tiles, class Layout>
void wgrad(const GradientRows& dy, const Layout& layout, const ActivationSource& x,
           const WeightGradient& gradient) {
  using X = Operand<OnesColumn<Layout>, ActivationSource, false>;
  const int64_t rows = gradient.dweight.rows;
  const int64_t columns = gradient.columns();
  const int64_t depth = dy.layout.rows;
  const X patches{{layout, gradient.dweight.columns}, x};
  with_tile<Tiles...>(rows, columns, depth, true, [&](auto tile) {
    using T = decltype(tile);
    const ProductGrid grid = product_grid<T>(rows, columns, depth, true);
    launch(conv2d_wgrad_kernel<T, V, X>, {grid.blocks(), T::kThreads, current_stream()}, dy,
           patches, grid, gradient);
  });
}

using WgradTiles = PixelTiles<4>;

/// What the blocks of the direct kernel share out: the gradient in tiles of kDirectOutputs rows and
/// kColumns columns, and the tiles of pixels in runs.
struct DirectGrid {
  static constexpr int kWarps = kDirectThreads / static_cast<int>(kWarpSize);
  static constexpr int kTaps = 7;  ///< columns of a thread, kColumnLanes apart
  static constexpr int kColumnLanes = static_cast<int>(kWarpSize) / kDirectLanes;
  /// The 27 weights of a 3x3 kernel over 3 channels, and a bias.
  static constexpr int kColumns = kTaps * kColumnLanes;
  static constexpr int kCells = kColumns * kDirectLanes;  ///< float4 of a tile

  int pixel_tiles;
  int run;  ///< tiles of pixels of a block
  int column_tiles;
  float4* partials;
  unsigned* counters;
  dim3 blocks;

  DirectGrid(const WgradTiles& tiles, int64_t outputs, int64_t columns) {
    constexpr int64_t kShortestRun = 4;  // worth the merge
    constexpr int64_t kMostRuns = 512;   // several for each multiprocessor
    const int64_t runs = std::clamp<int64_t>(tiles.count() / kShortestRun, 1, kMostRuns);
    pixel_tiles = static_cast<int>(tiles.count());
    run = static_cast<int>(blocks_for(tiles.count(), runs));
    column_tiles = static_cast<int>(blocks_for(columns, kColumns));
    blocks = dim3(blocks_for(tiles.count(), run),
                  blocks_for(outputs, kDirectOutputs) * static_cast<unsigned>(column_tiles));
    partials = reinterpret_cast<float4*>(scratch(
        Scratch::partial_sums, blocks.y * partial_rows(blocks.x) * kCells * 4, Device::cuda));
    counters = block_counters(blocks.y * partial_counters(blocks.x));
  }
  /// Shared memory: a window of x and a tile of dy, then the sums of the warps.
  static int64_t shared_bytes(const WgradTiles& tiles) {
    constexpr int64_t kGradients = WgradTiles::kPixels * kDirectLanes * sizeof(float4);
    return std::max<int64_t>(kGradients + tiles.window_floats() * sizeof(float),
                             kWarps * kCells * sizeof(float4));
  }
};

/// Copies a tile of dy to shared memory, (pixels, kDirectOutputs): each thread the outputs from
/// `row` on, 0 beyond the last one. Pixels beyond the image are left out.
template <class Transform>
__device__ void load_gradients(const GradientSource& dy, const Transform& transform,
                               const WgradTiles& tiles, const ImagePixel& first, int row, int rows,
                               float4* to) {
  constexpr int kStep = kDirectThreads / kDirectLanes;
  const int lane = static_cast<int>(threadIdx.x) % kDirectLanes;
  const int lines = tiles.lines(first);
  const int columns = tiles.columns(first);
  for (int pixel = static_cast<int>(threadIdx.x) / kDirectLanes; pixel < WgradTiles::kPixels;
       pixel += kStep) {
    const int line = pixel / WgradTiles::kColumns;
    const int column = pixel % WgradTiles::kColumns;
    if (line >= lines || column >= columns) continue;
    float4 value = broadcast<float4>(0.0f);
    if (row < rows) {
      const int64_t offset = int64_t{tiles.row(first, line, column)} * rows + row;
      value = transform(dy.fetch<float4>(offset));
    }
    to[pixel * kDirectLanes + lane] = value;
  }
}

/// The same for an x of few channels. A warp has a tile of the gradient and every kWarps-th column
/// of pixels, a thread 4 rows and kTaps columns.
__global__ void __launch_bounds__(kDirectThreads, 2)
    conv2d_direct_wgrad_kernel(GradientSource dy, ActivationSource x, WgradTiles tiles,
                               DirectGrid grid, WeightGradient gradient) {
  auto* gradients = dynamic_shared<float4>();  // (pixels, kDirectLanes)
  auto* window = reinterpret_cast<float*>(gradients + WgradTiles::kPixels * kDirectLanes);
  const ProductOutput& dweight = gradient.dweight;
  const int first_row = static_cast<int>(blockIdx.y) / grid.column_tiles * kDirectOutputs;
  const int first_column = static_cast<int>(blockIdx.y) % grid.column_tiles * DirectGrid::kColumns;
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / static_cast<int>(kWarpSize);
  const int lane = thread % kDirectLanes;
  const int column_lane = thread / kDirectLanes % DirectGrid::kColumnLanes;
  const int row = first_row + lane * 4;
  const auto transform = dy.at<float4>(row < dweight.rows ? row : 0);

  // Beyond the weights, `seen` stays what it is here: a column of ones, then zeros.
  int taps[DirectGrid::kTaps];
  float seen[DirectGrid::kTaps];
  float4 sums[DirectGrid::kTaps] = {};
#pragma unroll
  for (int i = 0; i < DirectGrid::kTaps; ++i) {
    const int column = first_column + i * DirectGrid::kColumnLanes + column_lane;
    taps[i] = column < dweight.columns ? tiles.tap(column) : -1;
    seen[i] = column == dweight.columns ? 1.0f : 0.0f;
  }

  const int end = min((static_cast<int>(blockIdx.x) + 1) * grid.run, grid.pixel_tiles);
  for (int tile = static_cast<int>(blockIdx.x) * grid.run; tile < end; ++tile) {
    const ImagePixel first = tiles.first_pixel(tile);
    const int lines = tiles.lines(first);
    const int columns = tiles.columns(first);
    tiles.load_window(x, first, window);
    load_gradients(dy, transform, tiles, first, row, dweight.rows, gradients);
    __syncthreads();
    for (int line = 0; line < lines; ++line) {
      for (int column = warp; column < columns; column += DirectGrid::kWarps) {
        const float* patch = window + tiles.patch(column) + line * tiles.line_floats();
        const float4 value =
            gradients[(line * WgradTiles::kColumns + column) * kDirectLanes + lane];
#pragma unroll
        for (int i = 0; i < DirectGrid::kTaps; ++i) {
          if (taps[i] >= 0) seen[i] = patch[taps[i]];
          sums[i] = multiply_add(broadcast<float4>(seen[i]), value, sums[i]);
        }
      }
    }
    __syncthreads();
  }

  // (kWarps, kColumns, kDirectOutputs)
  auto* cells = dynamic_shared<float4>();
#pragma unroll
  for (int i = 0; i < DirectGrid::kTaps; ++i) {
    const int column = i * DirectGrid::kColumnLanes + column_lane;
    cells[warp * DirectGrid::kCells + column * kDirectLanes + lane] = sums[i];
  }
  merge_rows(cells, DirectGrid::kWarps, DirectGrid::kCells);
  const int64_t tile = blockIdx.y;
  if (!merge_blocks(cells, DirectGrid::kCells,
                    grid.partials + tile * partial_rows(grid.blocks.x) * DirectGrid::kCells,
                    grid.counters + tile * partial_counters(grid.blocks.x), blockIdx.x,
                    grid.blocks.x)) {
    return;
  }
  const auto* merged = reinterpret_cast<const float*>(cells);
  for (int i = thread; i < kDirectOutputs * DirectGrid::kColumns; i += kDirectThreads) {
    const int o = i / DirectGrid::kColumns;
    const int column = i % DirectGrid::kColumns;
    gradient.write(first_row + o, first_column + column, merged[column * kDirectOutputs + o]);
  }
}

}  // namespace

void conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                  const PendingGradient& dz_pending, const Window& window, Tensor& dweight,
                  Tensor& dbias) {
  const Convolution conv = convolution_of(x.shape(), dweight.shape(), window);
  const auto pixels = static_cast<int>(conv.pixels());
  const auto outputs = static_cast<int>(conv.outputs);
  const auto depth = static_cast<int>(conv.kernel_size());
  const GradientRows dy{{pixels, outputs}, GradientSource(dz.data(), dz_pending)};
  const ActivationSource source{x.data(), x_pending};
  const WeightGradient gradient{{dweight.data(), outputs, depth}, dbias.data()};
  const bool fits_outputs = fits_float4(conv.outputs, {dz.data()}) && fits_float4(dz_pending);
  const WgradTiles tiles(conv);
  const int64_t direct = DirectGrid::shared_bytes(tiles);
  if (fits_direct(conv, x.data(), direct) && fits_outputs) {
    const DirectGrid grid(tiles, outputs, gradient.columns());
    launch(conv2d_direct_wgrad_kernel,
           {grid.blocks, kDirectThreads, current_stream(), static_cast<size_t>(direct)}, dy.source,
           source, tiles, grid, gradient);
  } else if (!fits_float4(conv.channels, {x.data(), dweight.data()}) || !fits_outputs ||
             !fits_float4(x_pending)) {
    wgrad<float, ScalarTile>(dy, PatchLayout(conv), source, gradient);
  } else if (conv.pointwise()) {
    wgrad<float4, Tile64x64, Tile32x32, Tile96x16, Tile16x32, Tile64x24, Tile24x64>(
        dy, MatrixLayout{pixels, depth}, source, gradient);
  } else {
    wgrad<float4, Tile64x64, Tile32x32>(dy, PatchLayout(conv), source, gradient);
  }
}

}  // namespace ember::cuda
