// The ladder of the gradient of a convolution's weights, dweight = dy^T * patches(x):
//   1. a thread a weight: each walks over all pixels, and both activations are read once a weight
//   2. implicit matrix product (gemm.cuh), whose depth is the pixels: dy and x are read as they
//      stand, whole rows of channels at a time
//   3. the result is small and the depth large, so the pixels are split over the blocks and the
//      blocks that share a tile merge it in fixed order
//   4. what is pending on either operand is applied on the way to shared memory
//   5. dbias is one more column: the sums of dy are its product with ones
#include "kernels/conv2d.h"
#include "kernels/cuda/convolution.cuh"
#include "kernels/cuda/gemm.cuh"

namespace ember::cuda {
namespace {

using GradientRows = Operand<MatrixLayout, GradientSource, false>;

/// dweight (O, KH * KW * I) and, right of it, dbias (O) if there is one.
struct WeightGradient {
  ProductOutput dweight;
  float* dbias;

  int columns() const { return dweight.columns + (dbias != nullptr ? 1 : 0); }
};

template <class T, class V, class X>
__global__ void __launch_bounds__(T::kThreads, T::kBlocks)
    conv2d_wgrad_kernel(GradientRows dy, X x, ProductGrid grid, WeightGradient gradient) {
  using Product = TiledProduct<T, V, GradientRows, X>;
  __shared__ float4 shared[Product::kShared];
  Product product(grid, shared);
  product.multiply(dy, x);
  product.finish([&](int row, int column, V value) {
    const ProductOutput& dweight = gradient.dweight;
    if (dweight.holds(row, column)) {
      dweight(row, column, value);
    } else if (gradient.dbias != nullptr && row < dweight.rows && column == dweight.columns) {
      gradient.dbias[row] = first_lane(value);
    }
  });
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

}  // namespace

void conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                  const PendingGradient& dz_pending, const Window& window, Tensor& dweight,
                  Tensor& dbias) {
  const Convolution conv = cpu::convolution_of(x.shape(), dweight.shape(), dz.shape(), window);
  const auto pixels = static_cast<int>(conv.pixels());
  const auto outputs = static_cast<int>(conv.outputs);
  const auto depth = static_cast<int>(conv.kernel_size());
  const GradientRows dy{{pixels, outputs}, GradientSource(dz.data(), dz_pending)};
  const ActivationSource source{x.data(), x_pending};
  const WeightGradient gradient{{dweight.data(), outputs, depth}, dbias.data()};
  if (!fits_float4(conv.channels, {x.data(), dweight.data()}) ||
      !fits_float4(conv.outputs, {dz.data()}) || !fits_float4(x_pending) ||
      !fits_float4(dz_pending)) {
    wgrad<float, SmallTile>(dy, PatchLayout(conv), source, gradient);
  } else if (conv.pointwise()) {
    wgrad<float4, MediumTile, SmallTile>(dy, MatrixLayout{pixels, depth}, source, gradient);
  } else {
    wgrad<float4, MediumTile, SmallTile>(dy, PatchLayout(conv), source, gradient);
  }
}

}  // namespace ember::cuda
