// Mean and variance of each channel from sums over blocks of rows. Included once for each SIMD
// target.
//
// A block's sums are shifted by its own first row s, which stands near the mean wherever the mean
// dwarfs the spread:
//
//     sum = sum over rows of (x - s)        squares = sum over rows of (x - s)^2
//
// and are merged in double, in the order of the blocks, N being the rows of all blocks together:
//
//     mean     = sum over blocks of (rows * s + sum) / N
//     variance = sum over blocks of (squares + d * (2 * sum + rows * d)) / N,   d = s - mean
//
// A convolution calls `accumulate_moments` on each piece of output it has just written, while that
// is still in cache; `channel_moments` (batch_norm.cpp) does the same over a finished activation.
#if defined(EMBER_KERNELS_SIMD_MOMENTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBER_KERNELS_SIMD_MOMENTS_INL_H_
#undef EMBER_KERNELS_SIMD_MOMENTS_INL_H_
#else
#define EMBER_KERNELS_SIMD_MOMENTS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "kernels/simd/pending-inl.h"
#include "tensor/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Where one block's sums of consecutive channels stand.
struct MomentSums {
  float* shift;
  float* sum;
  float* squares;

  MomentSums from(int64_t channel) const {
    return {shift + channel, sum + channel, squares + channel};
  }
};

/// Floats that the sums of `blocks` blocks take.
inline int64_t moment_floats(int64_t blocks, int64_t channels) { return 3 * blocks * channels; }

/// Block `block` of an array of `moment_floats` floats.
inline MomentSums moment_block(float* partials, int64_t block, int64_t channels) {
  float* shift = partials + moment_floats(block, channels);
  return {shift, shift + channels, shift + 2 * channels};
}

/// accumulate_moments for kVectors full vectors, or one that holds `count` channels.
template <int kVectors, class D>
HWY_INLINE void accumulate_moment_vectors(D d, const float* x, int64_t rows, int64_t stride,
                                          bool first, MomentSums sums, size_t count) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<D> shift[kVectors];
  hn::Vec<D> sum[kVectors];
  hn::Vec<D> squares[kVectors];
  for (int i = 0; i < kVectors; ++i) {
    shift[i] = load_n(d, (first ? x : sums.shift) + i * lanes, count);
    sum[i] = hn::Zero(d);
    squares[i] = hn::Zero(d);
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int i = 0; i < kVectors; ++i) {
      const auto v = hn::Sub(load_n(d, x + row * stride + i * lanes, count), shift[i]);
      sum[i] = hn::Add(sum[i], v);
      squares[i] = hn::MulAdd(v, v, squares[i]);
    }
  }
  for (int i = 0; i < kVectors; ++i) {
    if (first) {
      store_n(shift[i], d, sums.shift + i * lanes, count);
    } else {
      sum[i] = hn::Add(sum[i], load_n(d, sums.sum + i * lanes, count));
      squares[i] = hn::Add(squares[i], load_n(d, sums.squares + i * lanes, count));
    }
    store_n(sum[i], d, sums.sum + i * lanes, count);
    store_n(squares[i], d, sums.squares + i * lanes, count);
  }
}

/// Adds `rows` rows (at least one) of `channels` floats, `stride` floats from row to row, to a
/// block's sums; `first` begins the block with them. Sums within a call are plain float32, so calls
/// of at most some hundred rows keep the error near that of a pairwise sum.
inline void accumulate_moments(const float* x, int64_t rows, int64_t stride, int64_t channels,
                               bool first, MomentSums sums) {
  const hn::ScalableTag<float> d;
  for_each_vector_group<4>(d, channels, [&](auto vectors, int64_t c, size_t count) {
    accumulate_moment_vectors<vectors>(d, x + c, rows, stride, first, sums.from(c), count);
  });
}

/// mean and variance of each channel from the sums of all blocks; `rows_of(i)` is the number of
/// rows that went into block i.
template <typename RowsOf>
void merge_moments(const float* partials, int64_t blocks, int64_t channels, const RowsOf& rows_of,
                   float* mean, float* variance) {
  constexpr int64_t kGroup = 32;
  double rows_in_all = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    rows_in_all += static_cast<double>(rows_of(block));
  }
  parallel_for((channels + kGroup - 1) / kGroup, [&](int64_t group) {
    const int64_t first = group * kGroup;
    const int64_t count = std::min(kGroup, channels - first);
    double total[kGroup] = {};
    double squares_about_mean[kGroup] = {};
    for (int64_t block = 0; block < blocks; ++block) {
      const float* shift = partials + moment_floats(block, channels) + first;
      const float* sum = shift + channels;
      const auto rows = static_cast<double>(rows_of(block));
      for (int64_t c = 0; c < count; ++c) total[c] += rows * shift[c] + sum[c];
    }
    for (int64_t c = 0; c < count; ++c) total[c] /= rows_in_all;
    for (int64_t block = 0; block < blocks; ++block) {
      const float* shift = partials + moment_floats(block, channels) + first;
      const float* sum = shift + channels;
      const float* squares = sum + channels;
      const auto rows = static_cast<double>(rows_of(block));
      for (int64_t c = 0; c < count; ++c) {
        const double difference = shift[c] - total[c];
        squares_about_mean[c] += squares[c] + difference * (2.0 * sum[c] + rows * difference);
      }
    }
    for (int64_t c = 0; c < count; ++c) {
      mean[first + c] = static_cast<float>(total[c]);
      variance[first + c] = static_cast<float>(std::max(squares_about_mean[c] / rows_in_all, 0.0));
    }
  });
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggle
