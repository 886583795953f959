#pragma once

#include <algorithm>

#include "kernels/cuda/operand.cuh"
#include "kernels/cuda/reduction.cuh"
#include "kernels/cuda/tiles.cuh"

/// The tiled matrix product behind matrix products, dense layers and convolutions:
///
///     c (rows, columns) = a (rows, depth) * b (depth, columns)
///
/// A block computes one tile of c. It walks along the depth in steps: while its threads multiply
/// one step's parts of a and b out of shared memory, they have the next step's under way from
/// device memory, and write them, transformed, to a second buffer, so that a step takes one
/// barrier. In shared memory both parts have depth as their slow index, so that a thread reads
/// what it needs of a row of a step as a few float4 and keeps a rectangle of sums in registers.
///
/// Small products have too few tiles to fill a GPU. Then a block's threads form slices that share
/// each step's depth, and the depth is split over several blocks, whose tiles the last of them to
/// finish merges, in an order that depends on the shapes alone.
namespace ember::cuda {

/// Where a product goes: to[row, column] = value + bias[column], added to what is there when
/// `accumulate`.
struct ProductOutput {
  float* to;
  int rows;
  int columns;
  const float* bias = nullptr;
  bool accumulate = false;

  __device__ bool holds(int row, int column) const { return row < rows && column < columns; }
  /// Returns what it has written; holds(row, column).
  template <class V>
  __device__ V operator()(int row, int column, V value) const {
    float* element = to + (int64_t{row} * columns + column);
    if (bias != nullptr) value = add(value, load_constant<V>(bias + column));
    if (accumulate) value = add(value, load<V>(element));
    store(element, value);
    return value;
  }
};

/// Moves one operand's part of a step to shared memory: `kSpan` rows of a (or columns of b) times
/// `kDepth`, in vectors V, shared by all threads of the block.
template <class V, class O, int kSpan, int kDepth, int kThreads>
class StepLoader {
 public:
  /// Floats from one depth to the next in shared memory. An operand along the depth is turned on
  /// the way: 4 floats more put what a warp writes at once into different banks.
  static constexpr int kStride = kSpan + (O::kAlongDepth ? 4 : 0);
  static constexpr int kFloats = kStride * kDepth;

  /// Starts reading the part whose first row (or column) is `first` and first depth is `depth`.
  __device__ void fetch(const O& operand, int first, int depth) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const Place place = place_of(i);
      const int across = first + place.across;
      const int down = depth + place.depth;
      const auto row = operand.layout.row(O::kAlongDepth ? across : down);
      columns_[i] = operand.layout.column(O::kAlongDepth ? down : across);
      const int64_t offset = operand.layout.offset(row, columns_[i]);
      present_[i] = offset >= 0 && takes_part(i);
      fetched_[i] = present_[i] ? operand.source.template fetch<V>(offset) : Fetched{};
    }
  }

  /// Writes it, transformed, to shared memory.
  __device__ void commit(const O& operand, float* shared) const {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (!takes_part(i)) continue;
      const auto transform = operand.source.template at<V>(columns_[i].channel);
      const V value =
          present_[i] ? transform(fetched_[i]) : operand.layout.template absent<V>(columns_[i]);
      const Place place = place_of(i);
      float* to = shared + place.depth * kStride + place.across;
      if constexpr (O::kAlongDepth && kWidth == 4) {
        to[0] = value.x;
        to[kStride] = value.y;
        to[2 * kStride] = value.z;
        to[3 * kStride] = value.w;
      } else {
        store(to, value);
      }
    }
  }

 private:
  using Fetched = typename O::Source::template Fetched<V>;
  static constexpr int kWidth = kLanes<V>;
  static constexpr int kVectors = kSpan * kDepth / kWidth;
  static constexpr int kCount = (kVectors + kThreads - 1) / kThreads;

  struct Place {
    int across;
    int depth;
  };

  static __device__ bool takes_part(int i) {
    return kVectors % kThreads == 0 || static_cast<int>(threadIdx.x) + i * kThreads < kVectors;
  }

  /// Along the depth, neighbouring threads take the 8 floats of a 32-byte sector of each row;
  /// otherwise neighbouring vectors of a row.
  static __device__ Place place_of(int i) {
    const int vector = static_cast<int>(threadIdx.x) + i * kThreads;
    if constexpr (O::kAlongDepth) {
      constexpr int kSector = 8 / kWidth;
      return {vector / kSector % kSpan,
              (vector % kSector + vector / (kSector * kSpan) * kSector) * kWidth};
    } else {
      constexpr int kAcross = kSpan / kWidth;
      return {vector % kAcross * kWidth, vector / kAcross};
    }
  }

  Fetched fetched_[kCount];
  typename O::Layout::Column columns_[kCount];
  bool present_[kCount];
};

/// The product of operands A and B in tiles of kind T, read and written in vectors V.
template <class T, class V, class A, class B>
class TiledProduct {
 public:
  /// float4 of shared memory that a block needs.
  static constexpr int kShared =
      std::max(2 *
                   (StepLoader<V, A, T::kRows, T::kDepth, T::kThreads>::kFloats +
                    StepLoader<V, B, T::kColumns, T::kDepth, T::kThreads>::kFloats) /
                   4,
               T::kBandVectors* T::kSlices);

  __device__ TiledProduct(const ProductGrid& grid, float4* shared) : grid_(grid), shared_(shared) {}

  __device__ int row_tile() const { return static_cast<int>(blockIdx.x) / grid_.column_tiles; }
  __device__ int column_tile() const { return static_cast<int>(blockIdx.x) % grid_.column_tiles; }
  __device__ int first_row() const { return row_tile() * T::kRows; }
  __device__ int first_column() const { return column_tile() * T::kColumns; }

  /// Adds the product over this block's part of the depth to the thread's sums.
  __device__ void multiply(const A& a, const B& b) {
    const int begin = static_cast<int>(blockIdx.y) * grid_.split_depth;
    const int end = min(begin + grid_.split_depth, grid_.depth);
    auto* buffer = reinterpret_cast<float*>(shared_);
    LoaderA loader_a;
    LoaderB loader_b;
    loader_a.fetch(a, first_row(), begin);
    loader_b.fetch(b, first_column(), begin);
    loader_a.commit(a, buffer);
    loader_b.commit(b, buffer + LoaderA::kFloats);
    __syncthreads();
    int current = 0;
    // The last step stands behind the loop: around an `if (more)` ptxas moves the reads of the next
    // step behind the products of this one, where nothing hides how long they take.
    for (int depth = begin + T::kDepth; depth < end; depth += T::kDepth) {
      loader_a.fetch(a, first_row(), depth);
      loader_b.fetch(b, first_column(), depth);
      multiply_step(buffer + current * kStepFloats);
      current ^= 1;
      loader_a.commit(a, buffer + current * kStepFloats);
      loader_b.commit(b, buffer + current * kStepFloats + LoaderA::kFloats);
      __syncthreads();
    }
    multiply_step(buffer + current * kStepFloats);
    __syncthreads();
  }

  /// Hands the finished tile out: calls `finish(row, column, V)` for all of it, in the thread's own
  /// columns (see column_of), if this block is the one that ends up with the tile.
  template <class Finish>
  __device__ void finish(const Finish& finish) {
#pragma unroll
    for (int pass = 0; pass < T::kPasses; ++pass) {
      stage(pass);
      if (grid_.splits > 1 && !merge_splits(pass)) continue;
      const auto* staged = reinterpret_cast<const float*>(shared_);
      for (int i = static_cast<int>(threadIdx.x); i < T::kBandVectors * 4 / kLanes<V>;
           i += T::kThreads) {
        const int row = staged_row(i / kRowVectors);
        finish(first_row() + pass * T::kBandRows + row,
               first_column() + i % kRowVectors * kLanes<V>, load<V>(staged + i * kLanes<V>));
      }
      __syncthreads();
    }
  }

 private:
  using LoaderA = StepLoader<V, A, T::kRows, T::kDepth, T::kThreads>;
  using LoaderB = StepLoader<V, B, T::kColumns, T::kDepth, T::kThreads>;
  static constexpr int kStepFloats = LoaderA::kFloats + LoaderB::kFloats;
  static constexpr int kRowVectors = T::kColumns / kLanes<V>;
  static constexpr int kRowGroups = T::kBandRows / 4;

  __device__ static int slice() { return static_cast<int>(threadIdx.x) / T::kSliceThreads; }
  __device__ static int thread() { return static_cast<int>(threadIdx.x) % T::kSliceThreads; }
  __device__ static int band_row() { return thread() / T::kAcross * 4; }
  __device__ static int band_column() { return thread() % T::kAcross * 4; }

  __device__ void multiply_step(const float* buffer) {
    const float* a = buffer + slice() * T::kSliceDepth * LoaderA::kStride + band_row();
    const float* b =
        buffer + LoaderA::kFloats + slice() * T::kSliceDepth * LoaderB::kStride + band_column();
#pragma unroll
    for (int k = 0; k < T::kSliceDepth; ++k) {
      float4 row[T::kPasses];
      float4 column[T::kThreadColumns / 4];
#pragma unroll
      for (int i = 0; i < T::kPasses; ++i) {
        row[i] = load<float4>(a + k * LoaderA::kStride + i * T::kBandRows);
      }
#pragma unroll
      for (int j = 0; j < T::kThreadColumns / 4; ++j) {
        column[j] = load<float4>(b + k * LoaderB::kStride + j * T::kBandColumns);
      }
#pragma unroll
      for (int i = 0; i < T::kPasses; ++i) {
#pragma unroll
        for (int j = 0; j < T::kThreadColumns / 4; ++j) {
          add_outer(row[i].x, column[j], sums_[i * 4 + 0][j]);
          add_outer(row[i].y, column[j], sums_[i * 4 + 1][j]);
          add_outer(row[i].z, column[j], sums_[i * 4 + 2][j]);
          add_outer(row[i].w, column[j], sums_[i * 4 + 3][j]);
        }
      }
    }
  }

  __device__ static void add_outer(float a, float4 b, float4& sum) {
    sum = multiply_add(broadcast<float4>(a), b, sum);
  }

  /// The row of a band that stage() writes as its row `i`: first the first of each thread's 4, and
  /// so on, so that neighbouring threads write neighbouring float4.
  __device__ static int staged_row(int i) { return i % kRowGroups * 4 + i / kRowGroups; }

  /// Writes a band of the tile, (kBandRows, kColumns), to shared memory, summed over the slices.
  __device__ void stage(int pass) {
    constexpr int kColumnVectors = T::kColumns / 4;
    float4* staged = shared_ + slice() * T::kBandVectors;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < T::kThreadColumns / 4; ++j) {
        staged[(i * kRowGroups + band_row() / 4) * kColumnVectors +
               (j * T::kBandColumns + band_column()) / 4] = sums_[pass * 4 + i][j];
      }
    }
    __syncthreads();
    if constexpr (T::kSlices > 1) {
      for (int i = static_cast<int>(threadIdx.x); i < T::kBandVectors; i += T::kThreads) {
        float4 sum = shared_[i];
#pragma unroll
        for (int other = 1; other < T::kSlices; ++other) {
          sum = add(sum, shared_[other * T::kBandVectors + i]);
        }
        shared_[i] = sum;
      }
      __syncthreads();
    }
  }

  __device__ bool merge_splits(int pass) {
    const int64_t band = int64_t{blockIdx.x} * T::kPasses + pass;
    return merge_blocks(shared_, T::kBandVectors,
                        grid_.partials + band * partial_rows(grid_.splits) * T::kBandVectors,
                        grid_.counters + band * partial_counters(grid_.splits), blockIdx.y,
                        grid_.splits);
  }

  const ProductGrid& grid_;
  float4* shared_;
  float4 sums_[T::kThreadRows][T::kThreadColumns / 4] = {};
};

/// A kernel's whole work where nothing happens to the product but its output.
template <class T, class V, class A, class B>
__device__ void write_product(const A& a, const B& b, const ProductGrid& grid,
                              const ProductOutput& output) {
  using Product = TiledProduct<T, V, A, B>;
  __shared__ float4 shared[Product::kShared];
  Product product(grid, shared);
  product.multiply(a, b);
  product.finish([&](int row, int column, V value) {
    if (output.holds(row, column)) output(row, column, value);
  });
}

}  // namespace ember::cuda
