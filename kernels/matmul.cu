// The ladder of a matrix product, from kernels/naive/matmul.cu to this file:
//   1. a thread an element: 2 loads for each multiply-add, and every row read `columns` times
//   2. tiles in shared memory: device memory gives each element once a tile
//   3. a rectangle of sums in each thread's registers: 4 float4 from shared memory feed 64 products
//   4. 16-byte loads, turned on the way where the depth is contiguous, without bank conflicts
//   5. two buffers: the next step is under way while this one is multiplied, one barrier a step
//   6. tiles by the product's size; slices and splits of the depth where there are few tiles
// 2 to 6 stand in kernels/cuda/gemm.cuh.
#include "kernels/matmul.h"

#include "kernels/cuda/gemm.cuh"

namespace ember::cuda {
namespace {

template <class T, class V, class A, class B>
__global__ void __launch_bounds__(T::kThreads, T::kBlocks)
    matmul_kernel(A a, B b, ProductGrid grid, ProductOutput c) {
  write_product<T, V>(a, b, grid, c);
}

template <class V, class A, class B>
void multiply(const A& a, const B& b, int64_t depth, Tensor& c) {
  const int64_t rows = c.dim(0);
  const int64_t columns = c.dim(1);
  const auto run = [&](auto tile) {
    using T = decltype(tile);
    const ProductGrid grid = product_grid<T>(rows, columns, depth, true);
    launch(matmul_kernel<T, V, A, B>, {grid.blocks(), T::kThreads, current_stream()}, a, b, grid,
           ProductOutput{c.data(), static_cast<int>(rows), static_cast<int>(columns)});
  };
  if constexpr (kLanes<V> == 4) {
    with_tile<Tile128x64, Tile64x64, Tile32x32>(rows, columns, depth, true, run);
  } else {
    with_tile<Tile32x32>(rows, columns, depth, true, run);
  }
}

/// c = a * b, where the depth is along the rows or the columns of either.
template <bool kAAlongDepth, bool kBAlongDepth>
void multiply(const Tensor& a, const Tensor& b, Tensor& c) {
  using A = Operand<MatrixLayout, PlainSource, kAAlongDepth>;
  using B = Operand<MatrixLayout, PlainSource, kBAlongDepth>;
  const auto layout = [](const Tensor& matrix) {
    return MatrixLayout{static_cast<int>(matrix.dim(0)), static_cast<int>(matrix.dim(1))};
  };
  const A left{layout(a), {a.data()}};
  const B right{layout(b), {b.data()}};
  const int64_t depth = a.dim(kAAlongDepth ? 1 : 0);
  if (fits_float4(a.dim(1), {a.data()}) && fits_float4(b.dim(1), {b.data()}) &&
      fits_float4(c.dim(1), {c.data()})) {
    multiply<float4>(left, right, depth, c);
  } else {
    multiply<float>(left, right, depth, c);
  }
}

}  // namespace

void matmul(const Tensor& a, const Tensor& b, Tensor& c) { multiply<true, false>(a, b, c); }

void matmul_nt(const Tensor& a, const Tensor& b, Tensor& c) { multiply<true, true>(a, b, c); }

void matmul_tn(const Tensor& a, const Tensor& b, Tensor& c) { multiply<false, false>(a, b, c); }

}  // namespace ember::cuda
