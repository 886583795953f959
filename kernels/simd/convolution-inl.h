// Blocks of rows of the two operands of a convolution, as the matrix product wants them. Included
// once for each SIMD target.
#if defined(EMBER_KERNELS_SIMD_CONVOLUTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBER_KERNELS_SIMD_CONVOLUTION_INL_H_
#undef EMBER_KERNELS_SIMD_CONVOLUTION_INL_H_
#else
#define EMBER_KERNELS_SIMD_CONVOLUTION_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "kernels/pending.h"
#include "kernels/simd/convolution.h"
#include "kernels/simd/gemm-inl.h"
#include "kernels/simd/max_pool-inl.h"
#include "kernels/simd/pending-inl.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Consecutive rows of an image, padding included; `row` floats from one to the next.
struct ImageRows {
  const float* data;
  int64_t row;
};

/// Rows [first, first + rows) of padded image `image`, transformed. They stand in x itself where
/// nothing is to be done, else in this thread's input block. `slack` asks for a copy too, with a
/// readable vector behind its end.
inline ImageRows input_rows(const float* x, const Pending& pending, const Convolution& conv,
                            int64_t image, int64_t first, int64_t rows, bool slack) {
  const int64_t channels = conv.channels;
  const float* from = x + image * conv.height * conv.width * channels;
  const int64_t row = conv.width * channels;
  if (pending.identity() && !conv.padded() && !slack) return {from + first * row, row};

  const Padding& padding = conv.window.padding;
  const int64_t copy_row = conv.seen_columns() * channels;
  const int64_t left = std::min<int64_t>(padding.left * channels, copy_row);
  const int64_t filled = std::min(row, copy_row - left);
  // A transform that is the same for all channels sees a row as a whole: photos have but three.
  const int64_t width = pending.has_affine() || filled == 0 ? channels : filled;
  float* copy = scratch(Scratch::input_block, rows * copy_row + padded_columns(1));
  for (int64_t r = 0; r < rows; ++r) {
    float* to = copy + r * copy_row;
    const int64_t source = first + r - padding.top;
    if (source < 0 || source >= conv.height) {
      std::fill(to, to + copy_row, 0.0f);
      continue;
    }
    std::fill(to, to + left, 0.0f);
    apply_pending(from + source * row, filled / width, width, pending, to + left, width);
    std::fill(to + left + filled, to + copy_row, 0.0f);
  }
  return {copy, copy_row};
}

/// Rows [first, first + rows) of a gradient (all rows, columns), transformed: in dz itself where
/// nothing is to be done, else in this thread's gradient block.
inline ImageRows gradient_rows(const float* dz, const PendingGradient& pending, int64_t columns,
                               int64_t first, int64_t rows, bool slack) {
  if (pending.identity() && !slack) return {dz + first * columns, columns};
  float* copy = scratch(Scratch::gradient_block, rows * columns + padded_columns(1));
  apply_pending_gradient(dz, first, rows, columns, pending, copy, columns);
  return {copy, columns};
}

/// Pixels [begin, end) of row `row`, counted through all images, of the gradient of a convolution's
/// output of (N, height, width, channels), transformed; `stride` floats from pixel to pixel.
inline void output_gradient_row(const float* dz, const PendingGradient& pending, int64_t height,
                                int64_t width, int64_t channels, int64_t row, int64_t begin,
                                int64_t end, float* to, int64_t stride) {
  if (!pending.pooled()) {
    apply_pending_gradient(dz, row * width + begin, end - begin, channels, pending, to, stride);
    return;
  }
  const int64_t windows = height / pending.pool_size;  // in a column
  const int64_t window = row % height / pending.pool_size;
  const auto kh = static_cast<int>(row % height % pending.pool_size);
  const int64_t out_width = window < windows ? width / pending.pool_size : 0;
  max_unpool_row(dz, pending, channels, out_width, row / height * windows + window, kh, begin, end,
                 to, stride);
}

/// Rows [first, first + rows) of the gradient of conv's output, counted through all images: as
/// gradient_rows gives them, and spread out where they were pooled.
inline ImageRows output_gradient_rows(const float* dz, const PendingGradient& pending,
                                      const Convolution& conv, int64_t first, int64_t rows,
                                      bool slack) {
  const int64_t width = conv.out_w;
  if (!pending.pooled()) {
    return gradient_rows(dz, pending, conv.outputs, first * width, rows * width, slack);
  }
  const int64_t row_floats = width * conv.outputs;
  float* copy = scratch(Scratch::gradient_block, rows * row_floats + padded_columns(1));
  for (int64_t i = 0; i < rows; ++i) {
    output_gradient_row(dz, pending, conv.out_h, width, conv.outputs, first + i, 0, width,
                        copy + i * row_floats, conv.outputs);
  }
  return {copy, conv.outputs};
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggle
