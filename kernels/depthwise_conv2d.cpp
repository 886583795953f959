#include "kernels/depthwise_conv2d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_conv2d.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>
#include <type_traits>

#include "kernels/cudnn/conv2d.h"
#include "kernels/depthwise_rows.h"
#include "kernels/simd/moments-inl.h"
#include "kernels/simd/pending-inl.h"
#include "tensor/dispatch.h"
#include "tensor/parallel.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

/// The first `lanes` channels of convolve_row.
template <int kTaps, class D>
HWY_INLINE void convolve_vector(D d, const Tap* taps, int count, const float* weight,
                                bool accumulate, int64_t channel, size_t lanes, int64_t pixels,
                                int64_t in_step, int64_t out_step, float* out) {
  constexpr size_t kHeld = std::max(kTaps, 1);
  hn::Vec<D> weights[kHeld];
  const float* rows[kHeld];
  for (int t = 0; t < kTaps; ++t) {
    weights[t] = load_n(d, weight + taps[t].weight + channel, lanes);
    rows[t] = taps[t].row + channel;
  }
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    auto sum = accumulate ? load_n(d, out + pixel * out_step + channel, lanes) : hn::Zero(d);
    if constexpr (kTaps > 0) {
      for (int t = 0; t < kTaps; ++t) {
        sum = hn::MulAdd(load_n(d, rows[t] + pixel * in_step, lanes), weights[t], sum);
      }
    } else {
      for (int t = 0; t < count; ++t) {
        sum = hn::MulAdd(load_n(d, taps[t].row + pixel * in_step + channel, lanes),
                         load_n(d, weight + taps[t].weight + channel, lanes), sum);
      }
    }
    store_n(sum, d, out + pixel * out_step + channel, lanes);
  }
}

/// out[p * out_step + c] = sum over taps of row[p * in_step + c] * weight[tap + c] for `pixels`
/// pixels p, added to what stands there when `accumulate`. Goes along the row with the weights of
/// one vector of channels in registers.
inline void convolve_row(const Tap* taps, int count, const float* weight, bool accumulate,
                         int64_t channels, int64_t pixels, int64_t in_step, int64_t out_step,
                         float* out) {
  const hn::ScalableTag<float> d;
  with_tap_count(count, [&](auto taps_held) {
    for_each_vector(d, channels, [&](int64_t c, size_t lanes) {
      if (lanes == hn::Lanes(d)) {
        convolve_vector<taps_held>(d, taps, count, weight, accumulate, c, hn::Lanes(d), pixels,
                                   in_step, out_step, out);
      } else {
        convolve_vector<taps_held>(d, taps, count, weight, accumulate, c, lanes, pixels, in_step,
                                   out_step, out);
      }
    });
  });
}

/// The window of input rows under output row `out_row`, as taps for `sweep(taps, count, first)`.
template <typename Load, typename Sweep>
void for_each_forward_tap(const DepthwiseShape& s, int64_t out_row, RowRing& inputs,
                          const Load& load, const Sweep& sweep) {
  TapBatches<Sweep> taps(sweep);
  for (int64_t kh = 0; kh < s.kernel_h; ++kh) {
    const int64_t row = out_row * s.window.stride_h - s.window.padding.top + kh;
    if (row < 0 || row >= s.height) continue;
    const float* columns = inputs.row(row, load);
    for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
      taps.add({columns + kw * s.channels, (kh * s.kernel_w + kw) * s.channels});
    }
  }
  taps.finish();
}

void Forward(const float* x, const Pending& pending, const float* weight, const DepthwiseShape& s,
             float* y, float* mean, float* variance) {
  const RowBands bands(s.images, s.out_height, s.out_width, s.channels);
  float* partials = mean == nullptr
                        ? nullptr
                        : scratch(Scratch::partial_sums, moment_floats(bands.count(), s.channels));
  parallel_for(bands.count(), [&](int64_t band) {
    RowRing inputs(Scratch::input_block, s.kernel_h, s.window.padding.left, s.width,
                   s.window.padding.right, s.channels);
    for (int64_t row = bands.first(band); row < bands.end(band); ++row) {
      const int64_t image = row / s.out_height;
      const int64_t out_row = row % s.out_height;
      if (out_row == 0) inputs.reset();
      const auto load = [&](int64_t in_row, float* to) {
        const float* from = x + (image * s.height + in_row) * s.width * s.channels;
        apply_pending(from, s.width, s.channels, pending, to, s.channels);
      };
      float* out = y + row * s.out_width * s.channels;
      for_each_forward_tap(s, out_row, inputs, load, [&](const Tap* taps, int count, bool first) {
        convolve_row(taps, count, weight, !first, s.channels, s.out_width,
                     s.window.stride_w * s.channels, s.channels, out);
      });
      if (partials != nullptr) {
        accumulate_moments(out, s.out_width, s.channels, s.channels, row == bands.first(band),
                           moment_block(partials, band, s.channels));
      }
    }
  });
  if (partials != nullptr) {
    const auto pixels_of = [&](int64_t band) {
      return (bands.end(band) - bands.first(band)) * s.out_width;
    };
    merge_moments(partials, bands.count(), s.channels, pixels_of, mean, variance);
  }
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {
namespace cpu {

HWY_EXPORT(Forward);

void depthwise_conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                              const Window& window, Tensor& y, Moments* moments) {
  const DepthwiseShape shape(x.shape(), weight.shape(), y.shape(), window);
  HWY_DYNAMIC_DISPATCH(Forward)
  (x.data(), pending, weight.data(), shape, y.data(),
   moments == nullptr ? nullptr : moments->mean.data(),
   moments == nullptr ? nullptr : moments->variance.data());
}

}  // namespace cpu

namespace {

Shape require_output_shape(const char* operation, const Shape& x, const Shape& weight,
                           const Window& window) {
  EMBER_REQUIRE(x.rank() == 4 && weight.rank() == 3 && weight[2] == x[3],
                "{}: x {} wants (N, H, W, C) and weight {} (KH, KW, C) with the same C", operation,
                to_string(x), to_string(weight));
  EMBER_REQUIRE(window.stride_h > 0 && window.stride_w > 0, "{}: stride ({}, {}) is not positive",
                operation, window.stride_h, window.stride_w);
  const Padding& padding = window.padding;
  EMBER_REQUIRE(std::min({padding.top, padding.bottom, padding.left, padding.right}) >= 0,
                "{}: padding (top {}, bottom {}, left {}, right {}) is negative", operation,
                padding.top, padding.bottom, padding.left, padding.right);
  const Shape y{x[0], window_outputs(x[1], weight[0], window.stride_h, padding.top, padding.bottom),
                window_outputs(x[2], weight[1], window.stride_w, padding.left, padding.right),
                x[3]};
  EMBER_REQUIRE(y.size() > 0, "{}: x {} is empty, or smaller than weight {} with its padding",
                operation, to_string(x), to_string(weight));
  return y;
}

/// `argument` is what the call names its (N, OH, OW, C) tensor.
void require_shapes(const char* operation, const Shape& x, const Shape& weight,
                    const Window& window, const char* argument, const Shape& y) {
  const Shape expected = require_output_shape(operation, x, weight, window);
  EMBER_REQUIRE(y == expected, "{}: {} {}, but x {} and weight {} make it {}", operation, argument,
                to_string(y), to_string(x), to_string(weight), to_string(expected));
}

}  // namespace

Shape depthwise_conv2d_output_shape(const Shape& x, const Shape& weight, const Window& window) {
  return require_output_shape("depthwise_conv2d", x, weight, window);
}

void depthwise_conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                              const Window& window, Tensor& y, Moments* moments) {
  const char* operation = "depthwise_conv2d_forward";
  require_shapes(operation, x.shape(), weight.shape(), window, "y", y.shape());
  if (moments != nullptr) {
    const Shape channels{x.dim(3)};
    EMBER_REQUIRE(moments->mean.shape() == channels && moments->variance.shape() == channels,
                  "{}: mean {}, variance {}, but the channels are {}", operation,
                  to_string(moments->mean.shape()), to_string(moments->variance.shape()),
                  to_string(channels));
  }
  if (cudnn::conv2d_forward(x, pending, weight, Tensor(), window, y, moments)) return;
  EMBER_DISPATCH(x.device(), depthwise_conv2d_forward, x, pending, weight, window, y, moments);
}

void depthwise_conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                            const Window& window, Tensor& dx, BatchNormBackward* norm) {
  require_shapes("depthwise_conv2d_dgrad", dx.shape(), weight.shape(), window, "dz", dz.shape());
  if (norm != nullptr) require_fits("depthwise_conv2d_dgrad", dx, *norm);
  if (cudnn::conv2d_dgrad(dz, pending, weight, window, /*accumulate=*/false, dx)) {
    if (norm != nullptr) batch_norm_backward(dx, *norm);
    return;
  }
  EMBER_DISPATCH(dz.device(), depthwise_conv2d_dgrad, dz, pending, weight, window, dx, norm);
}

void depthwise_conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                            const PendingGradient& dz_pending, const Window& window,
                            Tensor& dweight) {
  require_shapes("depthwise_conv2d_wgrad", x.shape(), dweight.shape(), window, "dz", dz.shape());
  Tensor no_bias;
  if (cudnn::conv2d_wgrad(x, x_pending, dz, dz_pending, window, dweight, no_bias)) return;
  EMBER_DISPATCH(x.device(), depthwise_conv2d_wgrad, x, x_pending, dz, dz_pending, window, dweight);
}

void depthwise_conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                               const PendingGradient& dz_pending, const Tensor& weight,
                               const Window& window, Tensor& dweight, Tensor& dx,
                               BatchNormBackward* norm) {
  const char* operation = "depthwise_conv2d_backward";
  require_shapes(operation, x.shape(), weight.shape(), window, "dz", dz.shape());
  EMBER_REQUIRE(dweight.shape() == weight.shape() && dx.shape() == x.shape(),
                "{}: dweight {}, weight {}, dx {}, x {}", operation, to_string(dweight.shape()),
                to_string(weight.shape()), to_string(dx.shape()), to_string(x.shape()));
  if (norm != nullptr) require_fits(operation, dx, *norm);
  EMBER_DISPATCH(x.device(), depthwise_conv2d_backward, x, x_pending, dz, dz_pending, weight,
                 window, dweight, dx, norm);
}

}  // namespace ember
#endif  // HWY_ONCE
