#include "kernels/conv2d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/cudnn/conv2d.h"
#include "kernels/max_pool2d.h"
#include "kernels/simd/convolution.h"
#include "kernels/simd/gemm-inl.h"
#include "kernels/simd/max_pool-inl.h"
#include "kernels/simd/moments-inl.h"
#include "kernels/simd/sliding-inl.h"
#include "tensor/dispatch.h"
#include "tensor/parallel.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

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

/// Whether `conv`, pooled as asked, is computed by Winograd's tiles.
bool by_winograd(const Convolution& conv, int pool_size) {
  return winograd_pays(conv) && (pool_size == 1 || pool_size % kWinogradTile == 0);
}

int64_t Conv2dPackedSize(const Convolution& conv, int pool_size) {
  return by_winograd(conv, pool_size)
             ? kWinogradPositions * packed_floats(conv.channels, conv.outputs)
             : packed_floats(conv.kernel_size(), conv.outputs);
}

/// Packs the weights as `slide` wants them, each output's multiplied by its `scale` where there is
/// one.
void Conv2dPack(const float* weight, const Convolution& conv, const float* scale, int pool_size,
                float* packed) {
  const int64_t outputs = conv.outputs;
  if (by_winograd(conv, pool_size)) {
    const int64_t position = outputs * conv.channels;
    float* u = scratch(Scratch::winograd_inputs, kWinogradPositions * position);
    winograd_kernels(weight, outputs, conv.channels, false, u);
    pack_winograd({u, 1, conv.channels, scale}, position, conv.channels, outputs, packed);
    return;
  }
  const int64_t depth = conv.kernel_size();
  pack({weight, 1, depth, scale}, 0, depth, depth, outputs, packed);
}

void Conv2dForward(const float* x, const Pending& pending, const float* weight, const float* bias,
                   Convolution conv, float* y, const Epilogue& epilogue, const float* packed) {
  const int64_t depth = conv.kernel_size();
  const int64_t outputs = conv.outputs;
  const bool pointwise = conv.pointwise();
  Pooling pooling = epilogue.pooling;
  if (pooling.pools()) conv.out_h -= conv.out_h % pooling.size;
  const bool winograd = by_winograd(conv, pooling.size);
  const int64_t unit_rows = pooling.pools() ? pooling.size : winograd ? kWinogradTile : 1;
  const RowUnits units =
      pointwise ? RowUnits{1, conv.pixels(), 1} : RowUnits{conv.images, conv.out_h, unit_rows};
  const int64_t row_pixels = pointwise ? 1 : conv.out_w;
  const int64_t tasks = task_count(units.count(), units.rows * row_pixels);
  if (packed == nullptr) {
    float* own = scratch(Scratch::packed_weights, Conv2dPackedSize(conv, pooling.size));
    Conv2dPack(weight, conv, epilogue.pending.scale, pooling.size, own);
    packed = own;
  }
  const SlidingKernel kernel{packed, winograd};

  Moments* moments = epilogue.gathered();
  float* partials =
      moments == nullptr ? nullptr : scratch(Scratch::partial_sums, moment_floats(tasks, outputs));
  const auto gather = [&](int64_t task, Run block) {
    if (partials == nullptr) return;
    const Run rows = units.rows_of(block);
    accumulate_moments(y + rows.begin * row_pixels * outputs, rows.length() * row_pixels, outputs,
                       outputs, block.begin == part_of(units.count(), tasks, task).begin,
                       moment_block(partials, task, outputs));
  };
  const auto gather_unit = [&](int64_t task, int64_t unit) { gather(task, {unit, unit + 1}); };
  const auto load = [&](int64_t image, int64_t first, int64_t count) {
    return input_rows(x, pending, conv, image, first, count, false);
  };
  const Output output{
      .data = y,
      .row = outputs,
      .bias = folded_bias(epilogue.pending, bias, outputs),
      .finish = {epilogue.pending.lower, epilogue.pending.upper, epilogue.residual.data()}};
  const auto place = [&](int64_t unit) {
    return output.from_row(units.first_row(unit) * conv.out_w);
  };
  if (pointwise) {
    multiply_rows(
        conv.pixels(), depth, outputs, kernel.packed, output, tasks,
        [&](int64_t first, int64_t count) -> ImageRows {
          if (pending.identity()) return {x + first * depth, depth};
          float* copy = scratch(Scratch::input_block, count * depth);
          apply_pending(x + first * depth, count, depth, pending, copy, depth);
          return {copy, depth};
        },
        gather);
  } else if (pooling.pools()) {
    const int64_t row_floats = conv.out_w * outputs;
    const int64_t windows = conv.out_w / pooling.size;
    const auto block = [&] { return scratch(Scratch::output_block, units.rows * row_floats); };
    const auto place_in_block = [&](int64_t) {
      Output rows = output;
      rows.data = block();
      return rows;
    };
    const auto pool = [&](int64_t, int64_t unit) {
      const int64_t at = unit * windows * outputs;
      max_pool_row(block(), row_floats, outputs, {}, pooling.size, windows, y + at,
                   pooling.choice.data() + at);
    };
    slide(conv, units, kernel, tasks, load, place_in_block, pool);
  } else {
    slide(conv, units, kernel, tasks, load, place, gather_unit);
  }
  if (partials == nullptr) return;
  const auto pixels_of = [&](int64_t task) {
    return units.rows_of(part_of(units.count(), tasks, task)).length() * row_pixels;
  };
  merge_moments(partials, tasks, outputs, pixels_of, moments->mean.data(),
                moments->variance.data());
  if (epilogue.fold != nullptr) cpu::batch_norm_fold({epilogue.fold, 1});
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {
namespace cpu {

HWY_EXPORT(Conv2dForward);
HWY_EXPORT(Conv2dPackedSize);
HWY_EXPORT(Conv2dPack);

void conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                    const Tensor& bias, const Window& window, Tensor& y, const Epilogue& epilogue,
                    const Tensor& packed) {
  HWY_DYNAMIC_DISPATCH(Conv2dForward)
  (x.data(), pending, weight.data(), bias.data(), convolution_of(x.shape(), weight.shape(), window),
   y.data(), epilogue, packed.data());
}

/// The convolution with these weights of an image as large as they.
Convolution convolution_of(const Shape& weight, const Window& window) {
  return convolution_of({1, weight[1], weight[2], weight[3]}, weight, window);
}

int64_t conv2d_packed_size(const Shape& weight, const Window& window, const Pooling& pooling) {
  return HWY_DYNAMIC_DISPATCH(Conv2dPackedSize)(convolution_of(weight, window), pooling.size);
}

void conv2d_pack(const Tensor& weight, const Window& window, const Epilogue& epilogue,
                 Tensor& packed) {
  HWY_DYNAMIC_DISPATCH(Conv2dPack)
  (weight.data(), convolution_of(weight.shape(), window), epilogue.pending.scale,
   epilogue.pooling.size, packed.data());
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
  Tensor dy = scratch_tensor(Scratch::intermediate, shape, dz.device());
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

int64_t conv2d_packed_size(const Shape& weight, const Window& window, const Pooling& pooling) {
  return cpu::conv2d_packed_size(weight, window, pooling);
}

void conv2d_pack(const Tensor& weight, const Window& window, const Epilogue& epilogue,
                 Tensor& packed) {
  EMBER_REQUIRE(packed.size() == conv2d_packed_size(weight.shape(), window, epilogue.pooling),
                "conv2d_pack: {} floats for weight {}", packed.size(), to_string(weight.shape()));
  cpu::conv2d_pack(weight, window, epilogue, packed);
}

void conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                    const Tensor& bias, const Window& window, Tensor& y, const Epilogue& epilogue,
                    const Tensor& packed) {
  Pooling pooling = epilogue.pooling;
  const Shape output =
      require_shapes("conv2d_forward", x.shape(), weight.shape(), y.shape(), window, pooling.size);
  require_bias("conv2d_forward", "bias", bias, weight.shape());
  require_fits("conv2d_forward", y, epilogue);
  if (pooling.pools() && !pools_along(x.device(), weight.shape())) {
    Tensor whole = scratch_tensor(Scratch::intermediate, output, x.device());
    conv2d_forward(x, pending, weight, bias, window, whole, {.pending = epilogue.pending}, packed);
    max_pool2d_forward(whole, {}, pooling.size, y, pooling.choice);
    return;
  }
  if (!packed.empty()) {
    EMBER_REQUIRE(x.device() == Device::cpu &&
                      packed.size() == conv2d_packed_size(weight.shape(), window, pooling),
                  "conv2d_forward: {} packed floats on {} for weight {}", packed.size(),
                  to_string(x.device()), to_string(weight.shape()));
    cpu::conv2d_forward(x, pending, weight, bias, window, y, epilogue, packed);
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
