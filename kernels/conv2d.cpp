#include "kernels/conv2d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/cudnn/conv2d.h"
#include "kernels/max_pool2d.h"
#include "kernels/simd/convolution-inl.h"
#include "kernels/simd/convolution.h"
#include "kernels/simd/gemm-inl.h"
#include "kernels/simd/gradient_sums-inl.h"
#include "kernels/simd/gradient_sums.h"
#include "kernels/simd/moments-inl.h"
#include "tensor/dispatch.h"
#include "tensor/parallel.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

/// Tasks that `count` rows (of `weight` pixels each) are cut into: enough for many threads, large
/// enough to keep tiles full. Depends on the shape alone.
inline int64_t task_count(int64_t count, int64_t weight) {
  constexpr int64_t kTasks = 64;
  constexpr int64_t kPixels = 28;
  const int64_t tasks = std::clamp<int64_t>(count * weight / kPixels, 1, std::min(kTasks, count));
  return tasks >= 8 ? tasks / 8 * 8 : tasks;
}

/// Calls `body(first, rows)` for blocks of [begin, end) of nearly `rows_per_block` rows.
template <class Body>
void for_each_block(Run run, int64_t rows_per_block, const Body& body) {
  const int64_t rows = run.end - run.begin;
  const int64_t blocks = (rows + rows_per_block - 1) / rows_per_block;
  for (int64_t i = 0; i < blocks; ++i) {
    const Run block = part_of(rows, blocks, i);
    body(run.begin + block.begin, block.end - block.begin);
  }
}

/// c (rows, columns) = a * packed, where load(first, rows) gives rows of a (depth wide) and
/// finish(task, first, rows) sees each block of c while it is in cache.
template <class Load, class Finish>
void multiply_rows(int64_t rows, int64_t depth, int64_t columns, const float* packed,
                   const Output& c, int64_t tasks, const Load& load, const Finish& finish) {
  constexpr int64_t kBlockFloats = int64_t{1} << 15;
  const int64_t rows_per_block = std::clamp<int64_t>(kBlockFloats / (depth + columns), 28, 112);
  parallel_for(tasks, [&](int64_t task) {
    for_each_block(part_of(rows, tasks, task), rows_per_block, [&](int64_t first, int64_t count) {
      const ImageRows a = load(first, count);
      multiply({a.data, a.row, 1}, {packed}, count, columns, {1, depth}, c.from_row(first));
      finish(task, first, count);
    });
  });
}

/// The convolution proper, by units of `unit` output rows, counted through all images; what fills
/// no unit is left out. load(image, first, rows) gives rows of a padded image, place(unit) says
/// where the unit goes, finish(task, unit) sees it while it is in cache.
template <class Load, class Place, class Finish>
void slide(const Convolution& conv, int64_t unit, const float* packed, int64_t tasks,
           const Load& load, const Place& place, const Finish& finish) {
  constexpr int64_t kBlockFloats = int64_t{1} << 15;
  const int64_t stride = conv.window.stride_h;
  const int64_t unit_floats = unit * stride * conv.seen_columns() * conv.channels;
  const int64_t units_per_block = std::max<int64_t>(kBlockFloats / unit_floats, 1);
  const int64_t units = conv.out_h / unit;  // of an image
  const Depth depth{conv.kernel_h, conv.kernel_row()};
  parallel_for(tasks, [&](int64_t task) {
    const Run run = part_of(conv.images * units, tasks, task);
    for (int64_t begin = run.begin; begin < run.end;) {
      const int64_t image = begin / units;
      const int64_t end = std::min(run.end, (image + 1) * units);
      for_each_block({begin, end}, units_per_block, [&](int64_t first, int64_t count) {
        const int64_t top = (first - image * units) * unit * stride;
        const ImageRows x = load(image, top, conv.seen_rows(count * unit));
        for (int64_t i = 0; i < count; ++i) {
          const Output y = place(first + i);
          for (int64_t row = 0; row < unit; ++row) {
            multiply({x.data + (i * unit + row) * stride * x.row,
                      conv.window.stride_w * conv.channels, 1, x.row},
                     {packed}, conv.out_w, conv.outputs, depth, y.from_row(row * conv.out_w));
          }
          finish(task, first + i);
        }
      });
      begin = end;
    }
  });
}

/// What y's columns start from so that pending(conv + bias) is a product with scaled weights, then
/// a clip: scale * bias + shift.
const float* folded_bias(const Pending& pending, const float* bias, int64_t outputs) {
  if (!pending.has_affine()) return bias;
  if (bias == nullptr) return pending.shift;
  float* folded = scratch(Scratch::workspace, outputs);
  for (int64_t o = 0; o < outputs; ++o) {
    folded[o] = pending.scale[o] * bias[o] + pending.shift[o];
  }
  return folded;
}

void Conv2dForward(const float* x, const Pending& pending, const float* weight, const float* bias,
                   const Convolution& conv, float* y, const Epilogue& epilogue) {
  const int64_t depth = conv.kernel_size();
  const int64_t outputs = conv.outputs;
  float* packed = scratch(Scratch::packed_weights, packed_floats(depth, outputs));
  pack({weight, 1, depth, epilogue.pending.scale}, 0, depth, depth, outputs, packed);

  Pooling pooling = epilogue.pooling;
  const bool pointwise = conv.pointwise();
  const int64_t row_pixels = pointwise ? 1 : conv.out_w;
  // Rows that are finished together: those of a row of pooling windows, or one.
  const int64_t unit = pooling.size;
  const int64_t rows = pointwise ? conv.pixels() : conv.images * (conv.out_h / unit);
  const int64_t tasks = task_count(rows, row_pixels);
  Moments* moments = epilogue.gathered();
  float* partials =
      moments == nullptr ? nullptr : scratch(Scratch::partial_sums, moment_floats(tasks, outputs));
  const auto gather = [&](int64_t task, int64_t first, int64_t count) {
    if (partials == nullptr) return;
    accumulate_moments(y + first * row_pixels * outputs, count * row_pixels, outputs, outputs,
                       first == part_of(rows, tasks, task).begin,
                       moment_block(partials, task, outputs));
  };
  const Output output{
      .data = y,
      .row = outputs,
      .bias = folded_bias(epilogue.pending, bias, outputs),
      .finish = {epilogue.pending.lower, epilogue.pending.upper, epilogue.residual.data()}};
  if (pointwise) {
    multiply_rows(
        rows, depth, outputs, packed, output, tasks,
        [&](int64_t first, int64_t count) -> ImageRows {
          if (pending.identity()) return {x + first * depth, depth};
          float* copy = scratch(Scratch::input_block, count * depth);
          apply_pending(x + first * depth, count, depth, pending, copy, depth);
          return {copy, depth};
        },
        gather);
  } else {
    const auto load = [&](int64_t image, int64_t first, int64_t count) {
      return input_rows(x, pending, conv, image, first, count, false);
    };
    if (pooling.pools()) {
      const int64_t row_floats = conv.out_w * outputs;
      const int64_t windows = conv.out_w / pooling.size;
      const auto pool = [&](int64_t, int64_t row) {
        const int64_t at = row * windows * outputs;
        max_pool_row(scratch(Scratch::output_block, unit * row_floats), row_floats, outputs, {},
                     pooling.size, windows, y + at, pooling.choice.data() + at);
      };
      const auto place = [&](int64_t) {
        Output block = output;
        block.data = scratch(Scratch::output_block, unit * row_floats);
        return block;
      };
      slide(conv, unit, packed, tasks, load, place, pool);
    } else {
      const auto row_of_y = [&](int64_t row) { return output.from_row(row * conv.out_w); };
      slide(conv, unit, packed, tasks, load, row_of_y,
            [&](int64_t task, int64_t row) { gather(task, row, 1); });
    }
  }
  if (partials != nullptr) {
    const auto pixels_of = [&](int64_t task) {
      const Run run = part_of(rows, tasks, task);
      return (run.end - run.begin) * row_pixels;
    };
    merge_moments(partials, tasks, outputs, pixels_of, moments->mean.data(),
                  moments->variance.data());
    if (epilogue.fold != nullptr) cpu::batch_norm_fold({epilogue.fold, 1});
  }
}

/// dx as a stride-1 convolution of dy, spread out by the stride and padded, with the kernel turned
/// by 180 degrees and its channels exchanged. finish(task, row) sees each image row of dx.
template <class Finish>
void dgrad_sliding(const float* dz, const PendingGradient& pending, const float* weight,
                   const Convolution& forward, bool accumulate, float* dx, int64_t tasks,
                   const Finish& finish) {
  const Window& window = forward.window;
  const Convolution conv{.images = forward.images,
                         .height = forward.out_h,
                         .width = forward.out_w,
                         .channels = forward.outputs,
                         .kernel_h = forward.kernel_h,
                         .kernel_w = forward.kernel_w,
                         .out_h = forward.height,
                         .out_w = forward.width,
                         .outputs = forward.channels,
                         .window = {}};
  const int64_t taps = conv.kernel_h * conv.kernel_w;
  const int64_t depth = conv.kernel_size();
  float* packed = scratch(Scratch::packed_weights, packed_floats(depth, conv.outputs));
  for (int64_t tap = 0; tap < taps; ++tap) {
    pack({weight + (taps - 1 - tap) * conv.outputs, taps * conv.outputs, 1}, tap * conv.channels,
         conv.channels, depth, conv.outputs, packed);
  }

  const int64_t row = conv.seen_columns() * conv.channels;
  const int64_t above = conv.kernel_h - 1 - window.padding.top;
  const int64_t left = conv.kernel_w - 1 - window.padding.left;
  // Column of dy's pixel w in a spread row; those beyond either end meet no pixel of dx.
  const auto column = [&](int64_t w) { return w * window.stride_w + left; };
  int64_t first_pixel = 0;
  while (first_pixel < conv.width && column(first_pixel) < 0) ++first_pixel;
  int64_t end_pixel = conv.width;
  while (end_pixel > first_pixel && column(end_pixel - 1) >= conv.seen_columns()) --end_pixel;

  const auto spread_rows = [&](int64_t image, int64_t first, int64_t rows) -> ImageRows {
    float* block = scratch(Scratch::gradient_block, rows * row);
    std::fill(block, block + rows * row, 0.0f);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t spread = first + r - above;
      const int64_t source = spread / window.stride_h;
      if (spread < 0 || spread % window.stride_h != 0 || source >= conv.height) continue;
      output_gradient_row(dz, pending, conv.height, conv.width, conv.channels,
                          image * conv.height + source, first_pixel, end_pixel,
                          block + r * row + column(first_pixel) * conv.channels,
                          window.stride_w * conv.channels);
    }
    return {block, row};
  };
  const Output output{dx, conv.outputs, nullptr, accumulate};
  const auto row_of_dx = [&](int64_t index) { return output.from_row(index * conv.out_w); };
  slide(conv, 1, packed, tasks, spread_rows, row_of_dx, finish);
}

void Conv2dDgrad(const float* dz, const PendingGradient& pending, const float* weight,
                 const Convolution& conv, bool accumulate, float* dx, BatchNormBackward* norm) {
  const bool pointwise = conv.pointwise();
  const int64_t row_pixels = pointwise ? 1 : conv.width;
  const int64_t rows = conv.images * conv.height * conv.width / row_pixels;
  const int64_t tasks = task_count(rows, row_pixels);
  const int64_t columns = conv.channels;
  const GradientSums sums(norm);
  float* partials = scratch(Scratch::partial_sums, tasks * sums.floats());
  const auto gather = [&](int64_t task, int64_t first, int64_t count) {
    if (norm == nullptr) return;
    accumulate_gradient_sums(sums, dx, first * row_pixels, count * row_pixels,
                             first == part_of(rows, tasks, task).begin,
                             partials + task * sums.floats());
  };
  if (pointwise) {
    const int64_t depth = conv.outputs;
    float* packed = scratch(Scratch::packed_weights, packed_floats(depth, columns));
    pack({weight, columns, 1}, 0, depth, depth, columns, packed);
    multiply_rows(
        rows, depth, columns, packed, {dx, columns, nullptr, accumulate}, tasks,
        [&](int64_t first, int64_t count) {
          return gradient_rows(dz, pending, depth, first, count, false);
        },
        gather);
  } else {
    dgrad_sliding(dz, pending, weight, conv, accumulate, dx, tasks,
                  [&](int64_t task, int64_t row) { gather(task, row, 1); });
  }
  if (norm != nullptr) finish_batch_norm_backward(partials, tasks, sums.floats(), *norm);
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {
namespace cpu {

HWY_EXPORT(Conv2dForward);
HWY_EXPORT(Conv2dDgrad);

void conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                    const Tensor& bias, const Window& window, Tensor& y, const Epilogue& epilogue) {
  HWY_DYNAMIC_DISPATCH(Conv2dForward)
  (x.data(), pending, weight.data(), bias.data(),
   convolution_of(x.shape(), weight.shape(), conv2d_output_shape(x.shape(), weight.shape(), window),
                  window),
   y.data(), epilogue);
}

void conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                  const Window& window, bool accumulate, Tensor& dx, BatchNormBackward* norm) {
  HWY_DYNAMIC_DISPATCH(Conv2dDgrad)
  (dz.data(), pending, weight.data(),
   convolution_of(dx.shape(), weight.shape(),
                  conv2d_output_shape(dx.shape(), weight.shape(), window), window),
   accumulate, dx.data(), norm);
}

}  // namespace cpu

namespace {

/// Checks x, weight and y (or dx, weight and dz) of one operation against each other, where y is
/// pooled by `pool_size`. Returns the shape of the convolution's own output.
Shape require_shapes(const char* operation, const Shape& x, const Shape& weight, const Shape& y,
                     const Window& window, int pool_size) {
  const Shape output = conv2d_output_shape(x, weight, window);
  const Shape expected = pool_size > 1 ? max_pool2d_output_shape(output, pool_size) : output;
  EMBER_REQUIRE(y == expected, "{}: x {} and weight {} give {}, not {}", operation, to_string(x),
                to_string(weight), to_string(expected), to_string(y));
  return output;
}

/// Whether the kernels pool what they compute, and spread out the gradient of that, themselves.
/// Elsewhere it is done in passes of their own, behind or before them.
bool pools_along(Device device, const Shape& weight) {
  return device == Device::cpu && weight[1] * weight[2] > 1;
}

/// The gradient of a convolution's output of `shape`, spread out from that of what it was pooled
/// to.
Tensor unpooled(const Tensor& dz, const PendingGradient& pending, const Shape& shape) {
  Tensor dy = scratch_tensor(Scratch::unpooled, shape, dz.device());
  max_pool2d_backward(dz, pending, dy);
  return dy;
}

void require_bias(const char* operation, const char* argument, const Tensor& bias,
                  const Shape& weight) {
  EMBER_REQUIRE(bias.empty() || bias.shape() == Shape{weight[0]}, "{}: {} {}, weight {}", operation,
                argument, to_string(bias.shape()), to_string(weight));
}

}  // namespace

Shape conv2d_output_shape(const Shape& x, const Shape& weight, const Window& window) {
  EMBER_REQUIRE(
      x.rank() == 4 && weight.rank() == 4 && x[3] == weight[3] && x.size() > 0 && weight.size() > 0,
      "conv2d: x {} must be (N, H, W, I) and weight {} (O, KH, KW, I)", to_string(x),
      to_string(weight));
  const Padding& padding = window.padding;
  EMBER_REQUIRE(window.stride_h > 0 && window.stride_w > 0 &&
                    std::min({padding.top, padding.bottom, padding.left, padding.right}) >= 0,
                "conv2d: stride {}x{} must be positive, padding {} {} {} {} not negative",
                window.stride_h, window.stride_w, padding.top, padding.bottom, padding.left,
                padding.right);
  const int64_t out_h =
      window_outputs(x[1], weight[1], window.stride_h, padding.top, padding.bottom);
  const int64_t out_w =
      window_outputs(x[2], weight[2], window.stride_w, padding.left, padding.right);
  EMBER_REQUIRE(out_h > 0 && out_w > 0, "conv2d: x {}, padded, is smaller than the kernel of {}",
                to_string(x), to_string(weight));
  return {x[0], out_h, out_w, weight[0]};
}

void conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                    const Tensor& bias, const Window& window, Tensor& y, const Epilogue& epilogue) {
  Pooling pooling = epilogue.pooling;
  const Shape output =
      require_shapes("conv2d_forward", x.shape(), weight.shape(), y.shape(), window, pooling.size);
  require_bias("conv2d_forward", "bias", bias, weight.shape());
  require_fits("conv2d_forward", y, epilogue);
  if (pooling.pools() && !pools_along(x.device(), weight.shape())) {
    Tensor whole = scratch_tensor(Scratch::unpooled, output, x.device());
    conv2d_forward(x, pending, weight, bias, window, whole, {.pending = epilogue.pending});
    max_pool2d_forward(whole, {}, pooling.size, y, pooling.choice);
    return;
  }
  if (cudnn::conv2d_forward(x, pending, weight, bias, window, y, epilogue)) return;
  EMBER_DISPATCH(x.device(), conv2d_forward, x, pending, weight, bias, window, y, epilogue);
}

void conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                  const Window& window, bool accumulate, Tensor& dx, BatchNormBackward* norm) {
  const Shape output = require_shapes("conv2d_dgrad", dx.shape(), weight.shape(), dz.shape(),
                                      window, pending.pool_size);
  if (pending.pooled() && !pools_along(dz.device(), weight.shape())) {
    conv2d_dgrad(unpooled(dz, pending, output), {}, weight, window, accumulate, dx, norm);
    return;
  }
  if (norm != nullptr) require_fits("conv2d_dgrad", dx, *norm);
  if (cudnn::conv2d_dgrad(dz, pending, weight, window, accumulate, dx)) {
    if (norm != nullptr) batch_norm_backward(dx, *norm);
    return;
  }
  EMBER_DISPATCH(dz.device(), conv2d_dgrad, dz, pending, weight, window, accumulate, dx, norm);
}

void conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                  const PendingGradient& dz_pending, const Window& window, Tensor& dweight,
                  Tensor& dbias) {
  const Shape output = require_shapes("conv2d_wgrad", x.shape(), dweight.shape(), dz.shape(),
                                      window, dz_pending.pool_size);
  require_bias("conv2d_wgrad", "dbias", dbias, dweight.shape());
  if (dz_pending.pooled() && !pools_along(x.device(), dweight.shape())) {
    conv2d_wgrad(x, x_pending, unpooled(dz, dz_pending, output), {}, window, dweight, dbias);
    return;
  }
  if (cudnn::conv2d_wgrad(x, x_pending, dz, dz_pending, window, dweight, dbias)) return;
  EMBER_DISPATCH(x.device(), conv2d_wgrad, x, x_pending, dz, dz_pending, window, dweight, dbias);
}

void conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                     const PendingGradient& dz_pending, const Tensor& weight, const Window& window,
                     Tensor& dweight, Tensor& dbias, bool accumulate, Tensor& dx,
                     BatchNormBackward* norm) {
  const char* operation = "conv2d_backward";
  const Shape output = require_shapes(operation, x.shape(), weight.shape(), dz.shape(), window,
                                      dz_pending.pool_size);
  require_bias(operation, "dbias", dbias, weight.shape());
  EMBER_REQUIRE(dweight.shape() == weight.shape() && dx.shape() == x.shape(),
                "{}: dweight {}, weight {}, dx {}, x {}", operation, to_string(dweight.shape()),
                to_string(weight.shape()), to_string(dx.shape()), to_string(x.shape()));
  if (norm != nullptr) require_fits(operation, dx, *norm);
  if (dz_pending.pooled() && !pools_along(x.device(), weight.shape())) {
    conv2d_backward(x, x_pending, unpooled(dz, dz_pending, output), {}, weight, window, dweight,
                    dbias, accumulate, dx, norm);
    return;
  }
  EMBER_DISPATCH(x.device(), conv2d_backward, x, x_pending, dz, dz_pending, weight, window, dweight,
                 dbias, accumulate, dx, norm);
}

}  // namespace ember
#endif  // HWY_ONCE
