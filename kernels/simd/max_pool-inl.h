// Max pooling row by row, for the pooling itself and for convolutions that pool what they compute.
// Included once for each SIMD target.
#if defined(EMBER_KERNELS_SIMD_MAX_POOL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBER_KERNELS_SIMD_MAX_POOL_INL_H_
#undef EMBER_KERNELS_SIMD_MAX_POOL_INL_H_
#else
#define EMBER_KERNELS_SIMD_MAX_POOL_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "kernels/pending.h"
#include "kernels/simd/pending-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// A vector's worth of choices, as bytes at rest and as integers beside the floats.
template <class D>
using ChoiceBytes = hn::Rebind<uint8_t, D>;
template <class D>
using Choices = hn::Rebind<int32_t, D>;

template <class D>
HWY_INLINE hn::Vec<Choices<D>> load_choices(D, const uint8_t* from, size_t count) {
  const ChoiceBytes<D> d_bytes;
  HWY_ALIGN uint8_t bytes[HWY_MAX_BYTES] = {};
  std::copy_n(from, count, bytes);
  return hn::PromoteTo(Choices<D>(), hn::Load(d_bytes, bytes));
}

template <class D>
HWY_INLINE void store_choices(hn::Vec<Choices<D>> choices, D, uint8_t* to, size_t count) {
  const ChoiceBytes<D> d_bytes;
  HWY_ALIGN uint8_t bytes[HWY_MAX_BYTES];
  hn::Store(hn::DemoteTo(d_bytes, choices), d_bytes, bytes);
  std::copy_n(bytes, count, to);
}

/// y and choice (out_width, channels): the maxima of one row of windows over x, whose rows lie
/// `row` floats apart. A NaN in the window is its maximum, the first one if there are several.
inline void max_pool_row(const float* x, int64_t row, int64_t channels, const Pending& pending,
                         int size, int64_t out_width, float* y, uint8_t* choice) {
  const hn::ScalableTag<float> d;
  const Choices<decltype(d)> d_choice;
  for (int64_t ow = 0; ow < out_width; ++ow) {
    const float* window = x + ow * size * channels;
    for_each_vector(d, channels, [&](int64_t c, size_t lanes) {
      auto best = pending_forward(d, pending, load_n(d, window + c, lanes), c, lanes);
      auto best_at = hn::Zero(d_choice);
      int at = 0;
      for (int kh = 0; kh < size; ++kh) {
        const float* from = window + kh * row + c;
        for (int kw = 0; kw < size; ++kw, ++at, from += channels) {
          if (at == 0) continue;
          const auto value = pending_forward(d, pending, load_n(d, from, lanes), c, lanes);
          const auto better = hn::AndNot(hn::IsNaN(best), hn::Not(hn::Ge(best, value)));
          best = hn::IfThenElse(better, value, best);
          best_at =
              hn::IfThenElse(hn::RebindMask(d_choice, better), hn::Set(d_choice, at), best_at);
        }
      }
      store_n(best, d, y + ow * channels + c, lanes);
      store_choices(best_at, d, choice + ow * channels + c, lanes);
    });
  }
}

/// Pixels [begin, end) of line `kh` of the windows of row `window_row`, `stride` floats apart: the
/// gradient of what was pooled. dy, pending.raw and choice start at window row 0; a row of them has
/// `out_width` windows, beyond which the gradient is 0.
inline void max_unpool_row(const float* dy, const PendingGradient& pending, int64_t channels,
                           int64_t out_width, int64_t window_row, int kh, int64_t begin,
                           int64_t end, float* to, int64_t stride) {
  const hn::ScalableTag<float> d;
  const Choices<decltype(d)> d_choice;
  const int size = pending.pool_size;
  const int64_t used = std::clamp(out_width * size, begin, end);
  for (int64_t w = begin; w < used;) {
    const int64_t window = w / size;
    const int64_t window_end = std::min((window + 1) * size, used);
    const int64_t from = (window_row * out_width + window) * channels;
    const auto first = static_cast<int>(kh * size + (w - window * size));
    float* pixel = to + (w - begin) * stride;
    for_each_vector(d, channels, [&](int64_t c, size_t lanes) {
      auto gradient = load_n(d, dy + from + c, lanes);
      if (pending.raw != nullptr) {
        const auto raw = load_n(d, pending.raw + from + c, lanes);
        gradient = pending_backward(d, pending, gradient, raw, c, lanes);
      }
      const auto chosen = load_choices(d, pending.choice + from + c, lanes);
      for (int i = 0; i < window_end - w; ++i) {
        const auto here = hn::RebindMask(d, hn::Eq(chosen, hn::Set(d_choice, first + i)));
        store_n(hn::IfThenElseZero(here, gradient), d, pixel + i * stride + c, lanes);
      }
    });
    w = window_end;
  }
  for (int64_t w = used; w < end; ++w) std::fill_n(to + (w - begin) * stride, channels, 0.0f);
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggle
