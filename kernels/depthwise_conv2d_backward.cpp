#include "kernels/depthwise_conv2d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_conv2d_backward.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>
#include <type_traits>

#include "kernels/depthwise_rows.h"
#include "kernels/partial_sums.h"
#include "kernels/simd/gradient_sums-inl.h"
#include "kernels/simd/gradient_sums.h"
#include "kernels/simd/pending-inl.h"
#include "tensor/parallel.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// What the backward pass of one row of x reads and writes, at a phase of the stride: `pixels`
/// pixels, `step` floats apart.
struct BackwardRow {
  const float* weight;
  const float* x;
  const Pending* pending;
  int64_t pixels;
  int64_t step;
  int64_t channels;
  float* dx;    ///< null: not wanted
  float* sums;  ///< of dweight; null: not wanted
};

/// The first `lanes` channels from `channel` on, for the taps held in registers.
template <int kTaps, bool kDgrad, bool kWgrad, class D>
HWY_INLINE void backward_vector(D d, const Tap* taps, const BackwardRow& row, bool accumulate,
                                int64_t channel, size_t lanes) {
  hn::Vec<D> weights[kTaps];
  hn::Vec<D> sums[kTaps];
  const float* gradients[kTaps];
  unrolled<kTaps>([&](auto t) __attribute__((always_inline)) {
    if constexpr (kDgrad) weights[t] = load_n(d, row.weight + taps[t].weight + channel, lanes);
    sums[t] = hn::Zero(d);
    gradients[t] = taps[t].row + channel;
  });
  const bool affine = row.pending->has_affine();
  const auto scale = affine ? load_n(d, row.pending->scale + channel, lanes) : hn::Set(d, 1.0f);
  const auto shift = affine ? load_n(d, row.pending->shift + channel, lanes) : hn::Zero(d);
  const auto lower = hn::Set(d, row.pending->lower);
  const auto upper = hn::Set(d, row.pending->upper);
  for (int64_t pixel = 0; pixel < row.pixels; ++pixel) {
    const int64_t at = pixel * row.step + channel;
    auto z = hn::Zero(d);
    if constexpr (kWgrad) {
      z = hn::Min(upper, hn::Max(lower, hn::MulAdd(scale, load_n(d, row.x + at, lanes), shift)));
    }
    auto sum = kDgrad && accumulate ? load_n(d, row.dx + at, lanes) : hn::Zero(d);
    unrolled<kTaps>([&](auto t) __attribute__((always_inline)) {
      const auto dy = load_n(d, gradients[t] + pixel * row.channels, lanes);
      if constexpr (kDgrad) sum = hn::MulAdd(dy, weights[t], sum);
      if constexpr (kWgrad) sums[t] = hn::MulAdd(dy, z, sums[t]);
    });
    if constexpr (kDgrad) store_n(sum, d, row.dx + at, lanes);
  }
  if constexpr (kWgrad) {
    unrolled<kTaps>([&](auto t) __attribute__((always_inline)) {
      float* to = row.sums + taps[t].weight + channel;
      store_n(hn::Add(load_n(d, to, lanes), sums[t]), d, to, lanes);
    });
  }
}

/// dx[p] = sum over taps of dy[p] * weight[tap], and sums[tap] += sum over pixels p of dy[p] *
/// pending(x[p]): one reading of dy's taps serves both.
template <bool kDgrad, bool kWgrad>
void backward_row(const Tap* taps, int count, const BackwardRow& row, bool accumulate) {
  const hn::ScalableTag<float> d;
  if (count == 0 && kDgrad && !accumulate) {
    for (int64_t pixel = 0; pixel < row.pixels; ++pixel) {
      std::fill_n(row.dx + pixel * row.step, row.channels, 0.0f);
    }
  }
  const auto sweep = [&](auto taps_held, const Tap* held, bool add) {
    for_each_vector(d, row.channels, [&](int64_t c, size_t lanes) {
      if (lanes == hn::Lanes(d)) {
        backward_vector<taps_held, kDgrad, kWgrad>(d, held, row, add, c, hn::Lanes(d));
      } else {
        backward_vector<taps_held, kDgrad, kWgrad>(d, held, row, add, c, lanes);
      }
    });
  };
  with_tap_count(count, [&](auto taps_held) {
    if constexpr (taps_held > 0) {
      sweep(taps_held, taps, accumulate);
    } else {
      for (int t = 0; t < count; ++t) {
        sweep(std::integral_constant<int, 1>(), taps + t, accumulate || t > 0);
      }
    }
  });
}

/// Row h, column w of dx gathers dy[(h + top - kh) / stride_h, (w + left - kw) / stride_w] * weight
/// where both divide, and adds the same dy, times the pixel of x, to dweight. Columns with the same
/// w % stride_w (a phase) share their taps. dx or dweight may be null.
template <bool kDgrad, bool kWgrad>
void backward(const float* x, const Pending& x_pending, const float* dz,
              const PendingGradient& dz_pending, const float* weight, const DepthwiseShape& s,
              float* dweight, float* dx, BatchNormBackward* norm) {
  constexpr int64_t kSumPixels = 64;  // the sums of `norm` are taken of so many pixels at a time
  const int64_t stride_h = s.window.stride_h;
  const int64_t stride_w = s.window.stride_w;
  const int64_t top = s.window.padding.top;
  const int64_t left = s.window.padding.left;
  // Columns of dy that lie outside it and meet a column of dx.
  const int64_t before = std::max<int64_t>((s.kernel_w - 1 - left) / stride_w, 0);
  const int64_t after = std::max<int64_t>((s.width - 1 + left) / stride_w - (s.out_width - 1), 0);
  const int64_t row_floats = s.width * s.channels;
  const int64_t rows_per_sum = std::max<int64_t>(kSumPixels / s.width, 1);
  const RowBands bands(s.images, s.height, s.width, s.channels);
  // A band's record: sums of dweight, and those of the BatchNorm before.
  const GradientSums norm_sums(norm);
  const int64_t weights = kWgrad ? s.kernel_h * s.kernel_w * s.channels : 0;
  const int64_t record = weights + norm_sums.floats();
  float* partials = scratch(Scratch::partial_sums, bands.count() * record);
  parallel_for(bands.count(), [&](int64_t band) {
    RowRing gradients(Scratch::gradient_block, s.kernel_h, before, s.out_width, after, s.channels);
    float* sums = partials + band * record;
    std::fill_n(sums, weights, 0.0f);
    int64_t summed = bands.first(band);
    for (int64_t row = bands.first(band); row < bands.end(band); ++row) {
      const int64_t image = row / s.height;
      const int64_t h = row % s.height;
      if (h == 0) gradients.reset();
      const auto load = [&](int64_t out_row, float* to) {
        apply_pending_gradient(dz, (image * s.out_height + out_row) * s.out_width, s.out_width,
                               s.channels, dz_pending, to, s.channels);
      };
      for (int64_t phase = 0; phase < std::min(stride_w, s.width); ++phase) {
        const int64_t at = row * row_floats + phase * s.channels;
        const BackwardRow sweep_row{.weight = weight,
                                    .x = kWgrad ? x + at : nullptr,
                                    .pending = &x_pending,
                                    .pixels = (s.width - phase + stride_w - 1) / stride_w,
                                    .step = stride_w * s.channels,
                                    .channels = s.channels,
                                    .dx = kDgrad ? dx + at : nullptr,
                                    .sums = sums};
        const auto sweep = [&](const Tap* taps, int count, bool first, bool) {
          backward_row<kDgrad, kWgrad>(taps, count, sweep_row, !first);
        };
        TapBatches taps(sweep);
        for (int64_t kh = s.kernel_h - 1; kh >= 0; --kh) {  // dy's rows in ascending order
          const int64_t reach_h = h + top - kh;
          const int64_t out_row = reach_h / stride_h;
          if (reach_h < 0 || reach_h % stride_h != 0 || out_row >= s.out_height) continue;
          const float* columns = gradients.row(out_row, load);
          for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
            const int64_t reach_w = phase + left - kw;
            if (reach_w % stride_w != 0) continue;
            taps.add({columns + (reach_w / stride_w + before) * s.channels,
                      (kh * s.kernel_w + kw) * s.channels});
          }
        }
        taps.finish();
      }
      if (norm != nullptr && (row + 1 == bands.end(band) || row + 1 - summed == rows_per_sum)) {
        accumulate_gradient_sums(norm_sums, dx, summed * s.width, (row + 1 - summed) * s.width,
                                 summed == bands.first(band), sums + weights);
        summed = row + 1;
      }
    }
  });
  if (norm != nullptr) finish_batch_norm_backward(partials + weights, bands.count(), record, *norm);
  if (kWgrad) merge_sums(partials, bands.count(), record, weights, dweight);
}

void Dgrad(const float* dz, const PendingGradient& pending, const float* weight,
           const DepthwiseShape& s, float* dx, BatchNormBackward* norm) {
  backward<true, false>(nullptr, {}, dz, pending, weight, s, nullptr, dx, norm);
}

void Wgrad(const float* x, const Pending& x_pending, const float* dz,
           const PendingGradient& dz_pending, const DepthwiseShape& s, float* dweight) {
  backward<false, true>(x, x_pending, dz, dz_pending, nullptr, s, dweight, nullptr, nullptr);
}

void Backward(const float* x, const Pending& x_pending, const float* dz,
              const PendingGradient& dz_pending, const float* weight, const DepthwiseShape& s,
              float* dweight, float* dx, BatchNormBackward* norm) {
  backward<true, true>(x, x_pending, dz, dz_pending, weight, s, dweight, dx, norm);
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember::cpu {

HWY_EXPORT(Dgrad);
HWY_EXPORT(Wgrad);
HWY_EXPORT(Backward);

void depthwise_conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                            const Window& window, Tensor& dx, BatchNormBackward* norm) {
  const DepthwiseShape shape(dx.shape(), weight.shape(), dz.shape(), window);
  HWY_DYNAMIC_DISPATCH(Dgrad)(dz.data(), pending, weight.data(), shape, dx.data(), norm);
}

void depthwise_conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                            const PendingGradient& dz_pending, const Window& window,
                            Tensor& dweight) {
  const DepthwiseShape shape(x.shape(), dweight.shape(), dz.shape(), window);
  HWY_DYNAMIC_DISPATCH(Wgrad)
  (x.data(), x_pending, dz.data(), dz_pending, shape, dweight.data());
}

void depthwise_conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                               const PendingGradient& dz_pending, const Tensor& weight,
                               const Window& window, Tensor& dweight, Tensor& dx,
                               BatchNormBackward* norm) {
  const DepthwiseShape shape(x.shape(), weight.shape(), dz.shape(), window);
  HWY_DYNAMIC_DISPATCH(Backward)
  (x.data(), x_pending, dz.data(), dz_pending, weight.data(), shape, dweight.data(), dx.data(),
   norm);
}

}  // namespace ember::cpu
#endif  // HWY_ONCE
