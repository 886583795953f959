#include "kernels/conv2d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d_wgrad.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/partial_sums.h"
#include "kernels/simd/convolution-inl.h"
#include "kernels/simd/convolution.h"
#include "kernels/simd/gemm-inl.h"
#include "kernels/simd/pending-inl.h"
#include "tensor/parallel.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// sums[j] = (first ? 0 : sums[j]) + the sum of column j.
void add_columns(const float* from, int64_t rows, int64_t columns, bool first, float* sums) {
  const hn::ScalableTag<float> d;
  for_each_vector(d, columns, [&](int64_t c, size_t count) {
    auto sum = hn::Zero(d);
    for (int64_t row = 0; row < rows; ++row) {
      sum = hn::Add(sum, load_n(d, from + row * columns + c, count));
    }
    if (!first) sum = hn::Add(sum, load_n(d, sums + c, count));
    store_n(sum, d, sums + c, count);
  });
}

/// to (columns, rows) = from (rows, columns) transposed.
void transpose(const float* from, int64_t rows, int64_t columns, float* to) {
  parallel_for(columns, [=](int64_t j) {
    for (int64_t i = 0; i < rows; ++i) to[j * rows + i] = from[i * columns + j];
  });
}

/// The share of `columns` that whole vectors would waste, in vectors of one column.
double wasted(int64_t columns) {
  return static_cast<double>(padded_columns(columns)) / static_cast<double>(columns);
}

/// The matrix product (O, pixels) * (pixels, KW * I) for each kernel row, summed over blocks of
/// output rows. Where KW * I fills vectors worse than O does, dweight's transpose is computed
/// instead. Tasks are parts of the pixels, with partial sums of their own, times parts of dweight.
void Conv2dWgrad(const float* x, const Pending& x_pending, const float* dz,
                 const PendingGradient& dz_pending, const Convolution& conv, float* dweight,
                 float* dbias) {
  constexpr int64_t kTasks = 16;
  constexpr int64_t kPartialFloats = int64_t{1} << 20;
  constexpr int64_t kBlockFloats = int64_t{1} << 15;
  const int64_t outputs = conv.outputs;
  const int64_t depth = conv.kernel_size();
  const int64_t kernel_row = conv.kernel_row();
  const bool transposed = wasted(kernel_row) > wasted(outputs) ||
                          (wasted(kernel_row) == wasted(outputs) && kernel_row < outputs);
  const bool x_slack = !transposed && kernel_row != padded_columns(kernel_row);
  const bool dy_slack = transposed && outputs != padded_columns(outputs);

  const int64_t weights = outputs * depth;
  const int64_t rows = conv.images * conv.out_h;
  const int64_t pixels_per_block =
      std::clamp<int64_t>(kBlockFloats / (conv.channels + outputs), 64, 512);
  const int64_t rows_per_block = std::max<int64_t>(pixels_per_block / conv.out_w, 1);
  const int64_t pixel_tasks =
      std::clamp<int64_t>(std::min(rows / rows_per_block, kPartialFloats / weights), 1, kTasks);
  const int64_t tile_rows = transposed ? kernel_row : outputs;
  const int64_t weight_tasks =
      std::clamp<int64_t>(kTasks / pixel_tasks, 1, std::max<int64_t>(tile_rows / 28, 1));

  const int64_t record = weights + outputs;
  float* partials = scratch(Scratch::partial_sums, pixel_tasks * record);
  parallel_for(pixel_tasks * weight_tasks, [&](int64_t task) {
    const int64_t pixel_task = task / weight_tasks;
    const Run part = part_of(tile_rows, weight_tasks, task % weight_tasks);
    const Run run = part_of(rows, pixel_tasks, pixel_task);
    float* sums = partials + pixel_task * record;
    for (int64_t begin = run.begin; begin < run.end;) {
      const int64_t image = begin / conv.out_h;
      const int64_t count =
          std::min(std::min(run.end, (image + 1) * conv.out_h) - begin, rows_per_block);
      const bool first = begin == run.begin;
      const int64_t top = (begin - image * conv.out_h) * conv.window.stride_h;
      const ImageRows in =
          input_rows(x, x_pending, conv, image, top, conv.seen_rows(count), x_slack);
      const ImageRows dy =
          gradient_rows(dz, dz_pending, outputs, begin * conv.out_w, count * conv.out_w, dy_slack);
      const int64_t x_step = conv.window.stride_w * conv.channels;
      const int64_t x_segment = conv.window.stride_h * in.row;
      const int64_t dy_segment = conv.out_w * outputs;
      const bool adjacent = x_segment == conv.out_w * x_step;
      const Depth pixels = adjacent ? Depth{1, count * conv.out_w} : Depth{count, conv.out_w};
      for (int64_t kh = 0; kh < conv.kernel_h; ++kh) {
        const float* x_row = in.data + kh * in.row;
        if (transposed) {
          multiply({x_row + part.begin, 1, x_step, x_segment},
                   {dy.data, false, outputs, dy_segment}, part.end - part.begin, outputs, pixels,
                   {sums + (kh * kernel_row + part.begin) * outputs, outputs, nullptr, !first});
        } else {
          multiply({dy.data + part.begin, 1, outputs, dy_segment},
                   {x_row, false, x_step, x_segment}, part.end - part.begin, kernel_row, pixels,
                   {sums + part.begin * depth + kh * kernel_row, depth, nullptr, !first});
        }
      }
      if (dbias != nullptr && task % weight_tasks == 0) {
        add_columns(dy.data, count * conv.out_w, outputs, first, sums + weights);
      }
      begin += count;
    }
  });
  if (dbias != nullptr) merge_sums(partials + weights, pixel_tasks, record, outputs, dbias);
  float* merged = transposed ? partials : dweight;
  merge_sums(partials, pixel_tasks, record, weights, merged);
  if (transposed) transpose(partials, depth, outputs, dweight);
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember::cpu {

HWY_EXPORT(Conv2dWgrad);

void conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                  const PendingGradient& dz_pending, const Window& window, Tensor& dweight,
                  Tensor& dbias) {
  HWY_DYNAMIC_DISPATCH(Conv2dWgrad)
  (x.data(), x_pending, dz.data(), dz_pending,
   convolution_of(x.shape(), dweight.shape(), dz.shape(), window), dweight.data(), dbias.data());
}

}  // namespace ember::cpu
#endif  // HWY_ONCE
