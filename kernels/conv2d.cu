// The ladder of a convolution, from kernels/naive/conv2d.cu to this file:
//   1. a thread an output element: each input is read KH * KW * O times, each weight once a pixel
//   2. implicit matrix product: the tiled product of gemm.cuh reads the patches of x as the rows of
//      a matrix that is never written
//   3. a 1x1 convolution *is* the product: no window arithmetic
//   4. what is pending on the input is applied on the way to shared memory, not in a pass before
//   5. the moments of the output are gathered from the finished tile, not in a pass behind;
//      likewise those sums of dx that a BatchNorm before it wants
//   6. photos have too few channels for any of this: a direct kernel takes their rows to shared
//      memory as they stand, and no patch is ever laid out
// The tiles, buffers and loads are gemm.cuh's; conv2d_wgrad.cu has the gradient of the weights.
#include "kernels/conv2d.h"

#include "kernels/cuda/convolution.cuh"
#include "kernels/cuda/direct_convolution.cuh"
#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/gradient_sums.cuh"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/moments.cuh"

namespace ember::cuda {
namespace {

using WeightMatrix = Operand<MatrixLayout, PlainSource, true>;

/// y[row, column] = pending(value + bias[column]) + residual[row, column].
struct ActivationOutput {
  float* to;
  int rows;
  int columns;
  const float* bias;
  Pending pending;
  const float* residual;

  __device__ bool holds(int row, int column) const { return row < rows && column < columns; }
  /// Returns what it has written; holds(row, column).
  template <class V>
  __device__ V operator()(int row, int column, V value) const {
    const int64_t at = int64_t{row} * columns + column;
    if (bias != nullptr) value = add(value, load_constant<V>(bias + column));
    if (!pending.identity()) value = ChannelPending<V>(pending, column)(value);
    if (residual != nullptr) value = add(value, load<V>(residual + at));
    store(to + at, value);
    return value;
  }
};

/// y (pixels, O) = x (pixels, KH * KW * I) * weight^T + bias, and the moments of y's columns.
template <class T, class V, class X>
__global__ void __launch_bounds__(T::kThreads, T::kBlocks)
    conv2d_forward_kernel(X x, WeightMatrix weight, ProductGrid grid, ActivationOutput y,
                          MomentsOutput moments) {
  using Product = TiledProduct<T, V, X, WeightMatrix>;
  constexpr int kRowVectors = T::kColumns / kLanes<V>;
  constexpr int kCells = T::kThreads / kRowVectors * T::kColumns;
  __shared__ float4 shared[std::max(Product::kShared, kCells)];
  Product product(grid, shared);
  product.multiply(x, weight);
  MomentSums sums[kLanes<V>];
  product.finish([&](int row, int column, V value) {
    if (!y.holds(row, column)) return;
    const V written = y(row, column, value);
    if (moments.mean == nullptr) return;
    add_lanes(sums, written);
  });
  if (moments.mean == nullptr) return;
  const MomentsPlace place{threadIdx.x / kRowVectors, T::kThreads / kRowVectors,
                           threadIdx.x % kRowVectors, kRowVectors};
  finish_moments(sums, place, reinterpret_cast<MomentSums*>(shared), moments, product.column_tile(),
                 product.row_tile());
}

template <class V, class... Tiles, class X>
void forward(const X& x, const WeightMatrix& weight, const ActivationOutput& y,
             const Epilogue& epilogue) {
  const int64_t depth = weight.layout.columns;
  const bool split = epilogue.gathered() == nullptr;  // moments need whole tiles
  with_tile<Tiles...>(y.rows, y.columns, depth, split, [&](auto tile) {
    using T = decltype(tile);
    const ProductGrid grid = product_grid<T>(y.rows, y.columns, depth, split);
    const MomentsOutput gathered(epilogue, grid.column_tiles, grid.tiles / grid.column_tiles,
                                 T::kColumns);
    launch(conv2d_forward_kernel<T, V, X>, {grid.blocks(), T::kThreads, current_stream()}, x,
           weight, grid, y, gathered);
  });
}

using ForwardTiles = PixelTiles<8>;

/// The weights of a block of the direct kernel stand in shared memory as (KH * KW * I,
/// kDirectOutputs). Rows are 4 floats longer, so that turning them keeps 8 banks busy, not one.
constexpr int kWeightPitch = kDirectOutputs + 4;

inline int64_t direct_bytes(const ForwardTiles& tiles, int64_t depth) {
  const int64_t floats = tiles.window_floats() + depth * kWeightPitch;
  return std::max(floats * sizeof(float), kDirectThreads * 4 * sizeof(MomentSums));
}

/// The same for an x of few channels. A thread has a column of its block's tile and 4 outputs.
__global__ void __launch_bounds__(kDirectThreads, 2)
    conv2d_direct_forward_kernel(ActivationSource x, const float* weight, Divider depth,
                                 ForwardTiles tiles, ActivationOutput y, MomentsOutput moments) {
  auto* window = dynamic_shared<float>();
  float* weights = window + tiles.window_floats();
  const ImagePixel first = tiles.first_pixel(static_cast<int>(blockIdx.x));
  const int first_output = static_cast<int>(blockIdx.y) * kDirectOutputs;
  const int outputs = min(kDirectOutputs, y.columns - first_output);
  tiles.load_window(x, first, window);
  for (int i = static_cast<int>(threadIdx.x); i < outputs * depth.divisor(); i += kDirectThreads) {
    const int o = depth.quotient(i);
    const int k = i - o * depth.divisor();
    weights[k * kWeightPitch + o] =
        load_constant<float>(weight + int64_t{first_output} * depth.divisor() + i);
  }
  __syncthreads();

  const int column = static_cast<int>(threadIdx.x) / kDirectLanes;
  const int lane = static_cast<int>(threadIdx.x) % kDirectLanes;
  float4 pixels[ForwardTiles::kLines] = {};
  MomentSums sums[4];
  if (lane * 4 < outputs) {
    const float* patch = window + tiles.patch(column);
    for (int k = 0; k < depth.divisor(); ++k) {
      const auto taps = load<float4>(weights + k * kWeightPitch + lane * 4);
      const float* seen = patch + tiles.tap(k);
#pragma unroll
      for (int line = 0; line < ForwardTiles::kLines; ++line) {
        const auto value = broadcast<float4>(seen[line * tiles.line_floats()]);
        pixels[line] = multiply_add(value, taps, pixels[line]);
      }
    }
    if (column < tiles.columns(first)) {
#pragma unroll
      for (int line = 0; line < ForwardTiles::kLines; ++line) {
        if (line >= tiles.lines(first)) break;
        const float4 written =
            y(tiles.row(first, line, column), first_output + lane * 4, pixels[line]);
        if (moments.mean != nullptr) add_lanes(sums, written);
      }
    }
  }
  if (moments.mean == nullptr) return;
  const MomentsPlace place{threadIdx.x / kDirectLanes, kDirectThreads / kDirectLanes,
                           threadIdx.x % kDirectLanes, kDirectLanes};
  finish_moments(sums, place, reinterpret_cast<MomentSums*>(window), moments, blockIdx.y,
                 blockIdx.x);
}

/// dx (pixels, I) = dy (pixels, KH * KW * O) * weight (KH * KW * O, I), or added to dx; and the
/// sums of the BatchNorm before.
template <class T, class V, class Dy, class W>
__global__ void __launch_bounds__(T::kThreads, T::kBlocks)
    conv2d_dgrad_kernel(Dy dy, W weight, ProductGrid grid, ProductOutput dx,
                        GradientSumsOutput norm) {
  using Product = TiledProduct<T, V, Dy, W>;
  constexpr int kRowVectors = T::kColumns / kLanes<V>;
  constexpr int kCells = 2 * T::kThreads * kLanes<V> / 4;
  __shared__ float4 shared[std::max(Product::kShared, kCells)];
  Product product(grid, shared);
  product.multiply(dy, weight);
  if (norm.raw == nullptr) {
    product.finish([&](int row, int column, V value) {
      if (dx.holds(row, column)) dx(row, column, value);
    });
    return;
  }
  // Beyond the last channel there is nothing to sum up.
  const int own = product.first_column() + static_cast<int>(threadIdx.x) % kRowVectors * kLanes<V>;
  const ChannelNorm<V> channels(norm, min(own, dx.columns - kLanes<V>));
  GradientSums<V> sums;
  product.finish([&](int row, int column, V value) {
    if (!dx.holds(row, column)) return;
    const V written = dx(row, column, value);
    channels.add_to(sums, written, load<V>(norm.raw + (int64_t{row} * dx.columns + column)));
  });
  const MomentsPlace place{threadIdx.x / kRowVectors, T::kThreads / kRowVectors,
                           threadIdx.x % kRowVectors, kRowVectors};
  finish_gradient_sums(sums, place, reinterpret_cast<V*>(shared), norm, product.column_tile(),
                       product.row_tile());
}

template <class V, class... Tiles, class Dy, class W>
void dgrad(const Dy& dy, const W& weight, int64_t depth, const ProductOutput& dx,
           BatchNormBackward* norm) {
  const bool split = norm == nullptr;  // the sums need whole tiles
  with_tile<Tiles...>(dx.rows, dx.columns, depth, split, [&](auto tile) {
    using T = decltype(tile);
    const ProductGrid grid = product_grid<T>(dx.rows, dx.columns, depth, split);
    const GradientSumsOutput sums(norm, grid.column_tiles, grid.tiles / grid.column_tiles,
                                  T::kColumns);
    launch(conv2d_dgrad_kernel<T, V, Dy, W>, {grid.blocks(), T::kThreads, current_stream()}, dy,
           weight, grid, dx, sums);
  });
}

}  // namespace

void conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                    const Tensor& bias, const Window& window, Tensor& y, const Epilogue& epilogue) {
  const Convolution conv = convolution_of(x.shape(), weight.shape(), window);
  const auto pixels = static_cast<int>(conv.pixels());
  const auto outputs = static_cast<int>(conv.outputs);
  const auto depth = static_cast<int>(conv.kernel_size());
  const ActivationSource source{x.data(), pending};
  const WeightMatrix weights{{outputs, depth}, {weight.data()}};
  const ActivationOutput output{y.data(),    pixels,           outputs,
                                bias.data(), epilogue.pending, epilogue.residual.data()};
  const Operand<PatchLayout, ActivationSource, true> patches{PatchLayout(conv), source};
  const ForwardTiles tiles(conv);
  const int64_t direct = direct_bytes(tiles, depth);
  const bool fits_outputs = fits_float4(conv.outputs, {y.data(), bias.data(), output.residual}) &&
                            fits_float4(epilogue.pending);
  if (fits_direct(conv, x.data(), direct) && fits_outputs) {
    const dim3 grid(blocks_for(tiles.count(), 1), blocks_for(outputs, kDirectOutputs));
    const MomentsOutput gathered(epilogue, grid.y, grid.x, kDirectOutputs);
    launch(conv2d_direct_forward_kernel,
           {grid, kDirectThreads, current_stream(), static_cast<size_t>(direct)}, source,
           weight.data(), Divider(depth), tiles, output, gathered);
  } else if (!fits_float4(conv.channels, {x.data(), weight.data()}) || !fits_outputs ||
             !fits_float4(pending)) {
    forward<float, ScalarTile>(patches, weights, output, epilogue);
  } else if (conv.pointwise()) {
    const Operand<MatrixLayout, ActivationSource, true> rows{{pixels, depth}, source};
    forward<float4, Tile128x64, Tile64x64, Tile128x32, Tile256x16, Tile32x32>(rows, weights, output,
                                                                              epilogue);
  } else {
    forward<float4, Tile128x64, Tile128x32, Tile32x32>(patches, weights, output, epilogue);
  }
}

void conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                  const Window& window, bool accumulate, Tensor& dx, BatchNormBackward* norm) {
  const Convolution conv = convolution_of(dx.shape(), weight.shape(), window);
  const auto channels = static_cast<int>(conv.channels);
  const auto outputs = static_cast<int>(conv.outputs);
  const auto pixels = static_cast<int>(conv.images * conv.height * conv.width);
  const int64_t depth = conv.kernel_h * conv.kernel_w * conv.outputs;
  const GradientSource source(dz.data(), pending);
  const ProductOutput output{dx.data(), pixels, channels, nullptr, accumulate};
  const Operand<SpreadLayout, GradientSource, true> spread{SpreadLayout(conv), source};
  const Operand<TapLayout, PlainSource, false> taps{TapLayout(conv), {weight.data()}};
  if (!fits_float4(conv.channels, {dx.data(), weight.data()}) ||
      !fits_float4(conv.outputs, {dz.data()}) || !fits_float4(pending) || !fits_float4(norm)) {
    dgrad<float, ScalarTile>(spread, taps, depth, output, norm);
  } else if (conv.pointwise()) {
    const Operand<MatrixLayout, GradientSource, true> rows{{pixels, outputs}, source};
    const Operand<MatrixLayout, PlainSource, false> weights{{outputs, channels}, {weight.data()}};
    dgrad<float4, Tile128x64, Tile64x64, Tile128x32, Tile256x16, Tile32x32>(rows, weights, depth,
                                                                            output, norm);
  } else {
    dgrad<float4, Tile128x64, Tile128x32, Tile32x32>(spread, taps, depth, output, norm);
  }
}

void conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                     const PendingGradient& dz_pending, const Tensor& weight, const Window& window,
                     Tensor& dweight, Tensor& dbias, bool accumulate, Tensor& dx,
                     BatchNormBackward* norm) {
  ember::conv2d_wgrad(x, x_pending, dz, dz_pending, window, dweight, dbias);
  ember::conv2d_dgrad(dz, dz_pending, weight, window, accumulate, dx, norm);
}

}  // namespace ember::cuda
