#include "kernels/conv2d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d_dgrad.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/simd/convolution-inl.h"
#include "kernels/simd/convolution.h"
#include "kernels/simd/gemm-inl.h"
#include "kernels/simd/gradient_sums-inl.h"
#include "kernels/simd/gradient_sums.h"
#include "kernels/simd/sliding-inl.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

/// dgrad as a convolution of stride 1: of dy, spread out by the stride and padded, with the kernel
/// turned by 180 degrees and its channels exchanged.
Convolution turned(const Convolution& forward) {
  return {.images = forward.images,
          .height = forward.out_h,
          .width = forward.out_w,
          .channels = forward.outputs,
          .kernel_h = forward.kernel_h,
          .kernel_w = forward.kernel_w,
          .out_h = forward.height,
          .out_w = forward.width,
          .outputs = forward.channels,
          .window = {}};
}

/// The weights of the turned convolution as `slide` wants them.
SlidingKernel pack_turned_kernel(const float* weight, const Convolution& conv, bool winograd) {
  const int64_t channels = conv.channels;
  const int64_t outputs = conv.outputs;
  if (winograd) {
    float* u = scratch(Scratch::winograd_inputs, kWinogradPositions * channels * outputs);
    winograd_kernels(weight, channels, outputs, true, u);
    float* packed =
        scratch(Scratch::packed_weights, kWinogradPositions * packed_floats(channels, outputs));
    pack_winograd({u, outputs, 1}, channels * outputs, channels, outputs, packed);
    return {packed, true};
  }
  const int64_t taps = conv.kernel_h * conv.kernel_w;
  const int64_t depth = conv.kernel_size();
  float* packed = scratch(Scratch::packed_weights, packed_floats(depth, outputs));
  for (int64_t tap = 0; tap < taps; ++tap) {
    pack({weight + (taps - 1 - tap) * outputs, taps * outputs, 1}, tap * channels, channels, depth,
         outputs, packed);
  }
  return {packed};
}

/// Rows of dy, spread out and padded, for the turned convolution `conv`.
class SpreadRows {
 public:
  SpreadRows(const float* dz, const PendingGradient& pending, const Window& window,
             const Convolution& conv)
      : dz_(dz),
        pending_(pending),
        window_(window),
        conv_(conv),
        above_(conv.kernel_h - 1 - window.padding.top),
        left_(conv.kernel_w - 1 - window.padding.left),
        end_pixel_(conv.width) {
    while (first_pixel_ < conv.width && column(first_pixel_) < 0) ++first_pixel_;
    while (end_pixel_ > first_pixel_ && column(end_pixel_ - 1) >= conv.seen_columns()) --end_pixel_;
  }

  ImageRows operator()(int64_t image, int64_t first, int64_t rows) const {
    const int64_t row = conv_.seen_columns() * conv_.channels;
    float* block = scratch(Scratch::gradient_block, rows * row);
    std::fill(block, block + rows * row, 0.0f);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t spread = first + r - above_;
      const int64_t source = spread / window_.stride_h;
      if (spread < 0 || spread % window_.stride_h != 0 || source >= conv_.height) continue;
      output_gradient_row(dz_, pending_, conv_.height, conv_.width, conv_.channels,
                          image * conv_.height + source, first_pixel_, end_pixel_,
                          block + r * row + column(first_pixel_) * conv_.channels,
                          window_.stride_w * conv_.channels);
    }
    return {block, row};
  }

 private:
  /// Column of dy's pixel w in a spread row; those beyond either end meet no pixel of dx.
  int64_t column(int64_t w) const { return w * window_.stride_w + left_; }

  const float* dz_;
  const PendingGradient& pending_;
  const Window& window_;
  const Convolution& conv_;
  int64_t above_;
  int64_t left_;
  int64_t first_pixel_ = 0;
  int64_t end_pixel_;
};

void Conv2dDgrad(const float* dz, const PendingGradient& pending, const float* weight,
                 const Convolution& forward, bool accumulate, float* dx, BatchNormBackward* norm) {
  const bool pointwise = forward.pointwise();
  const Convolution conv = turned(forward);
  const int64_t depth = conv.channels;
  const int64_t columns = conv.outputs;
  const bool winograd = winograd_pays(conv);
  const RowUnits units = pointwise
                             ? RowUnits{1, conv.pixels(), 1}
                             : RowUnits{conv.images, conv.out_h, winograd ? kWinogradTile : 1};
  const int64_t row_pixels = pointwise ? 1 : conv.out_w;
  const int64_t tasks = task_count(units.count(), units.rows * row_pixels);
  const GradientSums sums(norm);
  float* partials = scratch(Scratch::partial_sums, tasks * sums.floats());
  const auto gather = [&](int64_t task, Run block) {
    if (norm == nullptr) return;
    const Run rows = units.rows_of(block);
    accumulate_gradient_sums(sums, dx, rows.begin * row_pixels, rows.length() * row_pixels,
                             block.begin == part_of(units.count(), tasks, task).begin,
                             partials + task * sums.floats());
  };
  const Output output{dx, columns, nullptr, accumulate};
  if (pointwise) {
    float* packed = scratch(Scratch::packed_weights, packed_floats(depth, columns));
    pack({weight, columns, 1}, 0, depth, depth, columns, packed);
    multiply_rows(
        conv.pixels(), depth, columns, packed, output, tasks,
        [&](int64_t first, int64_t count) {
          return gradient_rows(dz, pending, depth, first, count, false);
        },
        gather);
  } else {
    slide(
        conv, units, pack_turned_kernel(weight, conv, winograd), tasks,
        SpreadRows(dz, pending, forward.window, conv),
        [&](int64_t unit) { return output.from_row(units.first_row(unit) * conv.out_w); },
        [&](int64_t task, int64_t unit) {
          gather(task, {unit, unit + 1});
        });
  }
  if (norm != nullptr) finish_batch_norm_backward(partials, tasks, sums.floats(), *norm);
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember::cpu {

HWY_EXPORT(Conv2dDgrad);

void conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                  const Window& window, bool accumulate, Tensor& dx, BatchNormBackward* norm) {
  HWY_DYNAMIC_DISPATCH(Conv2dDgrad)
  (dz.data(), pending, weight.data(), convolution_of(dx.shape(), weight.shape(), window),
   accumulate, dx.data(), norm);
}

}  // namespace ember::cpu
#endif  // HWY_ONCE
