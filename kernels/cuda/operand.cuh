#pragma once

#include "kernels/cuda/source.cuh"
#include "tensor/cuda/vector.cuh"

/// How a matrix product (gemm.cuh) finds its operands. An operand is a *layout*, which says where
/// element (row, column) of a matrix stands, and a *source* (source.cuh), which reads there and
/// applies what is pending.
///
/// A layout splits the address into what depends on the row and what depends on the column, so that
/// a thread works out each only once:
///
///     Row row(i)   Column column(j)   offset(row, column): the element's index, or less than 0
///                                     where there is none and a 0 stands instead
///
/// `column.channel` is the element's channel for the source, a valid one even where there is no
/// element. A column stands for as many neighbours as a vector has lanes, all there or none.
namespace ember::cuda {

/// So far below 0 that the sum of two of them, or of one and an index, is still below 0.
constexpr int64_t kAbsent = -(int64_t{1} << 62);

/// A row-major matrix.
struct MatrixLayout {
  int rows;
  int columns;

  using Row = int64_t;
  struct Column {
    int64_t offset;
    int channel;
  };

  __device__ Row row(int i) const { return i < rows ? int64_t{i} * columns : kAbsent; }
  __device__ Column column(int j) const {
    if (j < columns) return {j, j};
    return {kAbsent, 0};
  }
  __device__ static int64_t offset(Row row, Column column) { return row + column.offset; }
  template <class V>
  __device__ static V absent(Column) {
    return broadcast<V>(0.0f);
  }
};

/// 1 in the first lane.
template <class V>
__device__ __forceinline__ V first_lane_one() {
  if constexpr (kLanes<V> == 1) {
    return 1.0f;
  } else {
    return make_float4(1.0f, 0.0f, 0.0f, 0.0f);
  }
}

template <class V>
__device__ __forceinline__ float first_lane(V value) {
  if constexpr (kLanes<V> == 1) {
    return value;
  } else {
    return value.x;
  }
}

/// Another layout and, right of its last column, one of ones: the product with it has the other
/// operand's sums there, which are a layer's dbias.
template <class Layout>
struct OnesColumn {
  Layout layout;
  int ones;  ///< the column's index

  using Row = typename Layout::Row;
  struct Column {
    typename Layout::Column column;
    int channel;
    bool one;
  };

  __device__ Row row(int i) const { return layout.row(i); }
  __device__ Column column(int j) const {
    const typename Layout::Column column = layout.column(j);
    return {column, column.channel, j == ones};
  }
  __device__ int64_t offset(const Row& row, const Column& column) const {
    return layout.offset(row, column.column);
  }
  template <class V>
  __device__ static V absent(const Column& column) {
    return column.one ? first_lane_one<V>() : broadcast<V>(0.0f);
  }
};

/// One operand of a product. `kAlongDepth`: the matrix's columns are the product's depth (a of
/// a * b, b of a * b^T); otherwise its rows are (b of a * b, a of a^T * b).
template <class Layout_, class Source_, bool kAlongDepth_>
struct Operand {
  using Layout = Layout_;
  using Source = Source_;
  static constexpr bool kAlongDepth = kAlongDepth_;

  Layout layout;
  Source source;
};

}  // namespace ember::cuda
