// Pending transforms on blocks of rows. Included once for each SIMD target (see Highway's README on
// foreach_target).
#if defined(EMBER_KERNELS_SIMD_PENDING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBER_KERNELS_SIMD_PENDING_INL_H_
#undef EMBER_KERNELS_SIMD_PENDING_INL_H_
#else
#define EMBER_KERNELS_SIMD_PENDING_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <type_traits>

#include "kernels/pending.h"
#include "kernels/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// scale * raw + shift, before the clip.
template <class D>
HWY_INLINE hn::Vec<D> pending_affine(D d, const Pending& pending, hn::Vec<D> raw, int64_t c,
                                     size_t count) {
  if (!pending.has_affine()) return raw;
  return hn::MulAdd(load_n(d, pending.scale + c, count), raw, load_n(d, pending.shift + c, count));
}

/// z for channels [c, c + count). A NaN stays one: x86 returns the second operand then.
template <class D>
HWY_INLINE hn::Vec<D> pending_forward(D d, const Pending& pending, hn::Vec<D> raw, int64_t c,
                                      size_t count) {
  const auto u = pending_affine(d, pending, raw, c, count);
  return hn::Min(hn::Set(d, pending.upper), hn::Max(hn::Set(d, pending.lower), u));
}

/// dz where the forward clip let its argument pass, 0 elsewhere.
template <class D>
HWY_INLINE hn::Vec<D> pending_du(D d, const Pending& forward, hn::Vec<D> dz, hn::Vec<D> raw,
                                 int64_t c, size_t count) {
  if (!forward.has_clip()) return dz;
  const auto u = pending_affine(d, forward, raw, c, count);
  const auto passes =
      hn::And(hn::Lt(hn::Set(d, forward.lower), u), hn::Lt(u, hn::Set(d, forward.upper)));
  return hn::IfThenElseZero(passes, dz);
}

/// dL/draw for channels [c, c + count).
template <class D>
HWY_INLINE hn::Vec<D> pending_backward(D d, const PendingGradient& pending, hn::Vec<D> dz,
                                       hn::Vec<D> raw, int64_t c, size_t count) {
  auto gradient = pending_du(d, pending.forward, dz, raw, c, count);
  if (pending.a != nullptr) gradient = hn::Mul(load_n(d, pending.a + c, count), gradient);
  if (pending.b != nullptr) {
    const auto statistics =
        hn::MulAdd(load_n(d, pending.b + c, count), raw, load_n(d, pending.c + c, count));
    gradient = hn::Add(gradient, statistics);
  }
  return gradient;
}

/// out = pending(raw) for `rows` rows of `channels` floats; `out_stride` floats from row to row of
/// `out`. What the pending lacks is decided before the loops: fewer instructions a vector keep more
/// loads from memory under way.
inline void apply_pending(const float* raw, int64_t rows, int64_t channels, const Pending& pending,
                          float* out, int64_t out_stride) {
  const hn::ScalableTag<float> d;
  const auto lower = hn::Set(d, pending.lower);
  const auto upper = hn::Set(d, pending.upper);
  const auto apply = [&](auto has_affine) {
    const float* scale = pending.scale;
    const float* shift = pending.shift;
    for (int64_t row = 0; row < rows; ++row) {
      const float* from = raw + row * channels;
      float* to = out + row * out_stride;
      for_each_vector_group<4>(d, channels, [&](auto vectors, int64_t first, size_t count) {
        const auto lanes = static_cast<int64_t>(hn::Lanes(d));
        for (int i = 0; i < vectors; ++i) {
          const int64_t c = first + i * lanes;
          auto u = load_n(d, from + c, count);
          if constexpr (has_affine) {
            u = hn::MulAdd(load_n(d, scale + c, count), u, load_n(d, shift + c, count));
          }
          store_n(hn::Min(upper, hn::Max(lower, u)), d, to + c, count);
        }
      });
    }
  };
  if (pending.has_affine()) {
    apply(std::true_type());
  } else {
    apply(std::false_type());
  }
}

/// out = pending(dz) for rows [first_row, first_row + rows) of a gradient; `dz` and `pending.raw`
/// start at row 0. The whole transform (BatchNorm with batch statistics behind a clip) has a loop
/// of its own, for the same reason.
inline void apply_pending_gradient(const float* dz, int64_t first_row, int64_t rows,
                                   int64_t channels, const PendingGradient& pending, float* out,
                                   int64_t out_stride) {
  const hn::ScalableTag<float> d;
  if (pending.identity()) {
    for (int64_t row = 0; row < rows; ++row) {
      std::copy_n(dz + (first_row + row) * channels, channels, out + row * out_stride);
    }
    return;
  }
  const auto lower = hn::Set(d, pending.forward.lower);
  const auto upper = hn::Set(d, pending.forward.upper);
  const auto apply = [&](auto whole) {
    const PendingGradient p = pending;
    for (int64_t row = 0; row < rows; ++row) {
      const float* gradient = dz + (first_row + row) * channels;
      const float* raw = p.raw + (first_row + row) * channels;
      float* to = out + row * out_stride;
      for_each_vector_group<2>(d, channels, [&](auto vectors, int64_t first, size_t count) {
        const auto lanes = static_cast<int64_t>(hn::Lanes(d));
        for (int i = 0; i < vectors; ++i) {
          const int64_t c = first + i * lanes;
          const auto x = load_n(d, raw + c, count);
          auto v = load_n(d, gradient + c, count);
          if constexpr (whole) {
            const auto u = hn::MulAdd(load_n(d, p.forward.scale + c, count), x,
                                      load_n(d, p.forward.shift + c, count));
            const auto du = hn::IfThenElseZero(hn::And(hn::Lt(lower, u), hn::Lt(u, upper)), v);
            const auto statistics =
                hn::MulAdd(load_n(d, p.b + c, count), x, load_n(d, p.c + c, count));
            v = hn::Add(hn::Mul(load_n(d, p.a + c, count), du), statistics);
          } else {
            v = pending_backward(d, p, v, x, c, count);
          }
          store_n(v, d, to + c, count);
        }
      });
    }
  };
  if (pending.forward.has_affine() && pending.forward.has_clip() && pending.a != nullptr &&
      pending.b != nullptr) {
    apply(std::true_type());
  } else {
    apply(std::false_type());
  }
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggle
