// The sums that BatchNorm's backward pass needs of a gradient, over blocks of rows:
//
//     sum = sum over rows of du        product = sum over rows of du * (raw - mean)
//
// with du = dz where the clip of the forward transform let pass. Whatever writes dz calls
// `accumulate_gradient_sums` on each piece while that is in cache. Included once for each SIMD
// target.
#if defined(EMBER_KERNELS_SIMD_GRADIENT_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBER_KERNELS_SIMD_GRADIENT_SUMS_INL_H_
#undef EMBER_KERNELS_SIMD_GRADIENT_SUMS_INL_H_
#else
#define EMBER_KERNELS_SIMD_GRADIENT_SUMS_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/simd/gradient_sums.h"
#include "kernels/simd/pending-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// accumulate_gradient_sums for the channels of kVectors vectors from channel c on.
template <int kVectors, class D>
HWY_INLINE void accumulate_gradient_sum_vectors(D d, const GradientSums& norm, const float* dz,
                                                const float* raw, int64_t rows, int64_t c,
                                                size_t count, bool first, float* sums) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const Pending& forward = norm.forward;
  const auto lower = hn::Set(d, forward.lower);
  const auto upper = hn::Set(d, forward.upper);
  const bool clips = forward.has_clip();
  hn::Vec<D> scale[kVectors];
  hn::Vec<D> shift[kVectors];
  hn::Vec<D> mean[kVectors];
  hn::Vec<D> sum[kVectors];
  hn::Vec<D> product[kVectors];
  for (int i = 0; i < kVectors; ++i) {
    const int64_t channel = c + i * lanes;
    scale[i] = forward.has_affine() ? load_n(d, forward.scale + channel, count) : hn::Set(d, 1.0f);
    shift[i] = forward.has_affine() ? load_n(d, forward.shift + channel, count) : hn::Zero(d);
    mean[i] = load_n(d, norm.mean + channel, count);
    sum[i] = hn::Zero(d);
    product[i] = hn::Zero(d);
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int i = 0; i < kVectors; ++i) {
      const int64_t at = row * norm.channels + c + i * lanes;
      const auto x = load_n(d, raw + at, count);
      auto du = load_n(d, dz + at, count);
      if (clips) {
        const auto u = hn::MulAdd(scale[i], x, shift[i]);
        du = hn::IfThenElseZero(hn::And(hn::Lt(lower, u), hn::Lt(u, upper)), du);
      }
      sum[i] = hn::Add(sum[i], du);
      product[i] = hn::MulAdd(du, hn::Sub(x, mean[i]), product[i]);
    }
  }
  for (int i = 0; i < kVectors; ++i) {
    float* to_sum = sums + c + i * lanes;
    float* to_product = to_sum + norm.channels;
    if (!first) {
      sum[i] = hn::Add(sum[i], load_n(d, to_sum, count));
      product[i] = hn::Add(product[i], load_n(d, to_product, count));
    }
    store_n(sum[i], d, to_sum, count);
    store_n(product[i], d, to_product, count);
  }
}

/// Adds rows [first_row, first_row + rows) of dz, at least one, to a block's `norm.floats()` sums;
/// `first` begins the block with them. Sums within a call are plain float32, so calls of at most
/// some hundred rows keep the error near that of a pairwise sum.
inline void accumulate_gradient_sums(const GradientSums& norm, const float* dz, int64_t first_row,
                                     int64_t rows, bool first, float* sums) {
  const hn::ScalableTag<float> d;
  const int64_t offset = first_row * norm.channels;
  for_each_vector_group<4>(d, norm.channels, [&](auto vectors, int64_t c, size_t count) {
    accumulate_gradient_sum_vectors<vectors>(d, norm, dz + offset, norm.raw + offset, rows, c,
                                             count, first, sums);
  });
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggle
