// The matrix product behind matmul, conv2d and dense. Included once for each SIMD target; compiled
// in gemm.cpp.
//
// A tile of c, some rows of one or two vectors, stays in registers while a and b are walked along
// K: one element of a is broadcast and multiplied into vectors of b.
//
//     c[i, j] = sum over segments s < S and k < K of
//               a[s * a.segment + i * a.row + k * a.step] * b[s, k, j]
//
// Segments make a convolution a matrix product without im2col: an output row of pixels is the rows
// of a, and each kernel row is a segment of KW * C values that lie side by side in the image.
// The order of additions depends on S and K alone, so a row of c does not depend on the rows around
// it, on how rows are cut into blocks, or on the number of threads.
#if defined(EMBER_KERNELS_SIMD_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBER_KERNELS_SIMD_GEMM_INL_H_
#undef EMBER_KERNELS_SIMD_GEMM_INL_H_
#else
#define EMBER_KERNELS_SIMD_GEMM_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The length of the sums: `segments` runs of `steps` products.
struct Depth {
  int64_t segments;
  int64_t steps;
  int64_t total() const { return segments * steps; }
};

/// The operand whose elements are broadcast. `row` or `step` is 1.
struct BroadcastOperand {
  const float* data;
  int64_t row;
  int64_t step;
  int64_t segment = 0;
};

/// The operand read as vectors: packed by `pack`, or with columns side by side, in which case up
/// to a vector beyond the last column must be readable (what stands there does not matter).
struct VectorOperand {
  const float* data;
  bool packed = true;
  int64_t step = 0;     ///< unpacked only
  int64_t segment = 0;  ///< unpacked only
};

/// What becomes of a finished element of c: it is limited, then the residual's is added.
struct Finish {
  float lower = -std::numeric_limits<float>::infinity();
  float upper = std::numeric_limits<float>::infinity();
  const float* residual = nullptr;  ///< as large as c, rows alike
};

/// Where c goes: overwritten, starting from bias[j] or 0, or added to.
struct Output {
  float* data;
  int64_t row;
  const float* bias = nullptr;
  bool accumulate = false;
  Finish finish{};

  /// The rows from `first` on.
  Output from_row(int64_t first) const {
    Output rest = *this;
    rest.data += first * row;
    if (finish.residual != nullptr) rest.finish.residual += first * row;
    return rest;
  }
};

/// c (rows, columns) = a * b on the calling thread.
void multiply(const BroadcastOperand& a, const VectorOperand& b, int64_t rows, int64_t columns,
              Depth depth, const Output& c);

/// `columns` rounded up to whole vectors: packed operands and copies of blocks have this width.
inline int64_t padded_columns(int64_t columns) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<float>()));
  return (columns + lanes - 1) / lanes * lanes;
}

/// Floats that a packed b (depth, columns) takes.
inline int64_t packed_floats(int64_t depth, int64_t columns) {
  return depth * padded_columns(columns);
}

/// Element (k, j) of a matrix to be packed is data[k * row + j * column], of which one is 1; with
/// `row` 1, there may be a scale[j] it is multiplied by.
struct PackSource {
  const float* data;
  int64_t row;
  int64_t column;
  const float* scale = nullptr;
};

/// Writes rows [first, first + count) of a b of (depth, columns) where `multiply` wants them. Uses
/// several threads when called outside a parallel region.
void pack(const PackSource& b, int64_t first, int64_t count, int64_t depth, int64_t columns,
          float* packed);

/// c = a * b in parallel, packing b: by blocks of rows where c is tall, by blocks of columns (each
/// packed by the thread that uses it, read once) where it is wide, by parts of the sums where c is
/// narrow and the sums are long.
void multiply_matrices(const BroadcastOperand& a, const PackSource& b, int64_t rows,
                       int64_t columns, int64_t depth, const Output& c);

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggle
