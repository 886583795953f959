#include "kernels/batch_norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/batch_norm.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "kernels/partial_sums.h"
#include "kernels/simd/moments-inl.h"
#include "kernels/simd/pending-inl.h"
#include "tensor/dispatch.h"
#include "tensor/parallel.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

/// Fixed blocks of rows of a (rows, channels) matrix, each with partial sums of its own: about
/// 64 KiB, and few enough rows that their float32 sums stay accurate.
struct SumBlocks {
  int64_t rows;
  int64_t rows_per_block;

  SumBlocks(int64_t total_rows, int64_t channels)
      : rows(total_rows),
        rows_per_block(std::clamp<int64_t>((int64_t{1} << 14) / channels, 1, 512)) {}
  int64_t count() const { return (rows + rows_per_block - 1) / rows_per_block; }
  int64_t first(int64_t block) const { return block * rows_per_block; }
  int64_t rows_of(int64_t block) const { return std::min(rows_per_block, rows - first(block)); }
};

void ChannelMoments(const float* x, int64_t rows, int64_t channels, float* mean, float* variance) {
  const SumBlocks blocks(rows, channels);
  float* partials = scratch(Scratch::partial_sums, moment_floats(blocks.count(), channels));
  parallel_for(blocks.count(), [&](int64_t i) {
    accumulate_moments(x + blocks.first(i) * channels, blocks.rows_of(i), channels, channels, true,
                       moment_block(partials, i, channels));
  });
  merge_moments(
      partials, blocks.count(), channels, [&](int64_t i) { return blocks.rows_of(i); }, mean,
      variance);
}

/// dbeta and dgamma of `rows` rows, for the channels of kVectors vectors from channel c on.
template <int kVectors, class D>
HWY_INLINE void gradient_sum_vectors(D d, const float* dz, const float* raw, int64_t rows,
                                     int64_t stride, const Pending& forward, const float* mean,
                                     const float* inverse_deviation, int64_t c, size_t count,
                                     float* dbeta, float* dgamma) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto lower = hn::Set(d, forward.lower);
  const auto upper = hn::Set(d, forward.upper);
  const bool clips = forward.has_clip();
  hn::Vec<D> scale[kVectors];
  hn::Vec<D> shift[kVectors];
  hn::Vec<D> mu[kVectors];
  hn::Vec<D> sum[kVectors];
  hn::Vec<D> product[kVectors];
  for (int i = 0; i < kVectors; ++i) {
    const int64_t channel = c + i * lanes;
    scale[i] = forward.has_affine() ? load_n(d, forward.scale + channel, count) : hn::Set(d, 1.0f);
    shift[i] = forward.has_affine() ? load_n(d, forward.shift + channel, count) : hn::Zero(d);
    mu[i] = load_n(d, mean + channel, count);
    sum[i] = hn::Zero(d);
    product[i] = hn::Zero(d);
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int i = 0; i < kVectors; ++i) {
      const int64_t channel = c + i * lanes;
      const auto x = load_n(d, raw + row * stride + channel, count);
      auto du = load_n(d, dz + row * stride + channel, count);
      if (clips) {
        const auto u = hn::MulAdd(scale[i], x, shift[i]);
        du = hn::IfThenElseZero(hn::And(hn::Lt(lower, u), hn::Lt(u, upper)), du);
      }
      sum[i] = hn::Add(sum[i], du);
      product[i] = hn::MulAdd(du, hn::Sub(x, mu[i]), product[i]);
    }
  }
  for (int i = 0; i < kVectors; ++i) {
    const int64_t channel = c + i * lanes;
    const auto inverse = load_n(d, inverse_deviation + channel, count);
    store_n(sum[i], d, dbeta + channel, count);
    store_n(hn::Mul(product[i], inverse), d, dgamma + channel, count);
  }
}

void BackwardSums(const float* dz, const float* raw, int64_t rows, int64_t channels,
                  const Pending& forward, const float* mean, const float* variance, float epsilon,
                  float* dgamma, float* dbeta) {
  const SumBlocks blocks(rows, channels);
  const int64_t record = 2 * channels;
  float* partials = scratch(Scratch::partial_sums, blocks.count() * record + channels);
  float* inverse_deviation = partials + blocks.count() * record;
  for (int64_t c = 0; c < channels; ++c) {
    inverse_deviation[c] = static_cast<float>(1.0 / std::sqrt(double{variance[c]} + epsilon));
  }
  parallel_for(blocks.count(), [&](int64_t block) {
    const hn::ScalableTag<float> d;
    const int64_t offset = blocks.first(block) * channels;
    float* block_dbeta = partials + block * record;
    for_each_vector_group<4>(d, channels, [&](auto vectors, int64_t c, size_t count) {
      gradient_sum_vectors<vectors>(d, dz + offset, raw + offset, blocks.rows_of(block), channels,
                                    forward, mean, inverse_deviation, c, count, block_dbeta,
                                    block_dbeta + channels);
    });
  });
  merge_sums(partials, blocks.count(), record, channels, dbeta);
  merge_sums(partials + channels, blocks.count(), record, channels, dgamma);
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {
namespace cpu {

HWY_EXPORT(ChannelMoments);
HWY_EXPORT(BackwardSums);

void channel_moments(const Tensor& x, Moments& moments) {
  const int64_t channels = x.dim(-1);
  HWY_DYNAMIC_DISPATCH(ChannelMoments)
  (x.data(), x.size() / channels, channels, moments.mean.data(), moments.variance.data());
}

void batch_norm_fold(const Tensor& gamma, const Tensor& beta, const Moments& moments, float epsilon,
                     Tensor& scale, Tensor& shift) {
  for (int64_t c = 0; c < gamma.size(); ++c) {
    const double factor = gamma.data()[c] / std::sqrt(double{moments.variance.data()[c]} + epsilon);
    scale.data()[c] = static_cast<float>(factor);
    shift.data()[c] = static_cast<float>(beta.data()[c] - moments.mean.data()[c] * factor);
  }
}

void batch_norm_fold_training(const Tensor& gamma, const Tensor& beta, const Moments& batch,
                              float epsilon, float momentum, Moments& moving, Tensor& scale,
                              Tensor& shift) {
  cpu::batch_norm_fold(gamma, beta, batch, epsilon, scale, shift);
  const auto update = [momentum](const Tensor& from, Tensor& to) {
    for (int64_t c = 0; c < to.size(); ++c) {
      float& value = to.data()[c];
      value =
          static_cast<float>(double{momentum} * value + (1.0 - double{momentum}) * from.data()[c]);
    }
  };
  update(batch.mean, moving.mean);
  update(batch.variance, moving.variance);
}

// With s = 1 / sqrt(variance + epsilon) and xhat = s * (raw - mean):
//     dx = gamma*s * du  -  gamma*s*s*dgamma/M * raw  +  gamma*s/M * (s*dgamma*mean - dbeta)
void batch_norm_backward(const Tensor& dz, const Tensor& raw, const Pending& forward,
                         const Tensor& gamma, const Moments& moments, float epsilon, Tensor& dgamma,
                         Tensor& dbeta, BatchNormCoefficients* coefficients) {
  const int64_t channels = dz.dim(-1);
  const int64_t rows = dz.size() / channels;
  HWY_DYNAMIC_DISPATCH(BackwardSums)
  (dz.data(), raw.data(), rows, channels, forward, moments.mean.data(), moments.variance.data(),
   epsilon, dgamma.data(), dbeta.data());
  if (coefficients == nullptr) return;
  for (int64_t k = 0; k < channels; ++k) {
    const double inverse = 1.0 / std::sqrt(double{moments.variance.data()[k]} + epsilon);
    const double scale = gamma.data()[k] * inverse;
    const double slope = inverse * dgamma.data()[k] / static_cast<double>(rows);
    coefficients->a.data()[k] = static_cast<float>(scale);
    coefficients->b.data()[k] = static_cast<float>(-scale * slope);
    coefficients->c.data()[k] = static_cast<float>(
        scale * (slope * moments.mean.data()[k] - dbeta.data()[k] / static_cast<double>(rows)));
  }
}

}  // namespace cpu

namespace {

void require_channels(const char* operation, const char* argument, const Tensor& tensor,
                      const Shape& channels) {
  EMBER_REQUIRE(tensor.shape() == channels, "{}: {} {}, but the channels are {}", operation,
                argument, to_string(tensor.shape()), to_string(channels));
}

void require_moments(const char* operation, const Moments& moments, const Shape& channels) {
  require_channels(operation, "mean", moments.mean, channels);
  require_channels(operation, "variance", moments.variance, channels);
}

void require_fold(const char* operation, const Tensor& gamma, const Tensor& beta,
                  const Moments& moments, const Tensor& scale, const Tensor& shift) {
  require_channels(operation, "beta", beta, gamma.shape());
  require_moments(operation, moments, gamma.shape());
  require_channels(operation, "scale", scale, gamma.shape());
  require_channels(operation, "shift", shift, gamma.shape());
}

}  // namespace

void channel_moments(const Tensor& x, Moments& moments) {
  EMBER_REQUIRE(x.shape().size() > 0, "channel_moments: x {} has no elements",
                to_string(x.shape()));
  require_moments("channel_moments", moments, {x.dim(-1)});
  EMBER_DISPATCH(x.device(), channel_moments, x, moments);
}

void batch_norm_fold(const Tensor& gamma, const Tensor& beta, const Moments& moments, float epsilon,
                     Tensor& scale, Tensor& shift) {
  require_fold("batch_norm_fold", gamma, beta, moments, scale, shift);
  EMBER_DISPATCH(gamma.device(), batch_norm_fold, gamma, beta, moments, epsilon, scale, shift);
}

void batch_norm_fold_training(const Tensor& gamma, const Tensor& beta, const Moments& batch,
                              float epsilon, float momentum, Moments& moving, Tensor& scale,
                              Tensor& shift) {
  const char* operation = "batch_norm_fold_training";
  require_fold(operation, gamma, beta, batch, scale, shift);
  require_moments(operation, moving, gamma.shape());
  EMBER_DISPATCH(gamma.device(), batch_norm_fold_training, gamma, beta, batch, epsilon, momentum,
                 moving, scale, shift);
}

void batch_norm_backward(const Tensor& dz, const Tensor& raw, const Pending& forward,
                         const Tensor& gamma, const Moments& moments, float epsilon, Tensor& dgamma,
                         Tensor& dbeta, BatchNormCoefficients* coefficients) {
  const char* operation = "batch_norm_backward";
  EMBER_REQUIRE(dz.shape().size() > 0 && dz.shape() == raw.shape(), "{}: dz {}, raw {}", operation,
                to_string(dz.shape()), to_string(raw.shape()));
  const Shape channels{dz.dim(-1)};
  require_channels(operation, "gamma", gamma, channels);
  require_moments(operation, moments, channels);
  require_channels(operation, "dgamma", dgamma, channels);
  require_channels(operation, "dbeta", dbeta, channels);
  if (coefficients != nullptr) {
    require_channels(operation, "a", coefficients->a, channels);
    require_channels(operation, "b", coefficients->b, channels);
    require_channels(operation, "c", coefficients->c, channels);
  }
  EMBER_DISPATCH(dz.device(), batch_norm_backward, dz, raw, forward, gamma, moments, epsilon,
                 dgamma, dbeta, coefficients);
}

}  // namespace ember
#endif  // HWY_ONCE
