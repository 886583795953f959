#include "kernels/batch_norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/batch_norm.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "kernels/partial_sums.h"
#include "kernels/simd/gradient_sums-inl.h"
#include "kernels/simd/gradient_sums.h"
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

void BackwardSums(const float* dz, int64_t rows, BatchNormBackward& norm) {
  const GradientSums gradient(&norm);
  const SumBlocks blocks(rows, gradient.channels);
  float* partials = scratch(Scratch::partial_sums, blocks.count() * gradient.floats());
  parallel_for(blocks.count(), [&](int64_t block) {
    accumulate_gradient_sums(gradient, dz, blocks.first(block), blocks.rows_of(block), true,
                             partials + block * gradient.floats());
  });
  finish_batch_norm_backward(partials, blocks.count(), gradient.floats(), norm);
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

void batch_norm_fold(std::span<BatchNormFold> folds) {
  for (BatchNormFold& fold : folds) {
    const float* mean = fold.moments.mean.data();
    const float* variance = fold.moments.variance.data();
    for (int64_t c = 0; c < fold.gamma.size(); ++c) {
      const double factor = fold.gamma.data()[c] / std::sqrt(double{variance[c]} + fold.epsilon);
      fold.scale.data()[c] = static_cast<float>(factor);
      fold.shift.data()[c] = static_cast<float>(fold.beta.data()[c] - mean[c] * factor);
    }
    if (fold.moving == nullptr) continue;
    const double momentum = fold.momentum;
    const auto update = [momentum](const Tensor& from, Tensor& to) {
      for (int64_t c = 0; c < to.size(); ++c) {
        float& value = to.data()[c];
        value = static_cast<float>(momentum * value + (1.0 - momentum) * from.data()[c]);
      }
    };
    update(fold.moments.mean, fold.moving->mean);
    update(fold.moments.variance, fold.moving->variance);
  }
}

// With s = 1 / sqrt(variance + epsilon) and xhat = s * (raw - mean):
//     dx = gamma*s * du  -  gamma*s*s*dgamma/M * raw  +  gamma*s/M * (s*dgamma*mean - dbeta)
void finish_batch_norm_backward(const float* sums, int64_t blocks, int64_t stride,
                                BatchNormBackward& norm) {
  const int64_t channels = norm.raw.dim(-1);
  const int64_t pixels = norm.raw.size() / channels;
  const auto rows = static_cast<double>(pixels);
  merge_sums(sums, blocks, stride, channels, norm.dbeta.data());
  merge_sums(sums + channels, blocks, stride, channels, norm.dgamma.data());
  for (int64_t k = 0; k < channels; ++k) {
    const double inverse = 1.0 / std::sqrt(double{norm.moments.variance.data()[k]} + norm.epsilon);
    float& dgamma = norm.dgamma.data()[k];
    dgamma = static_cast<float>(dgamma * inverse);
    if (norm.coefficients == nullptr) continue;
    auto& [a, b, c] = *norm.coefficients;
    const double scale = norm.gamma.data()[k] * inverse;
    const double slope = inverse * dgamma / rows;
    a.data()[k] = static_cast<float>(scale);
    b.data()[k] = static_cast<float>(-scale * slope);
    c.data()[k] = static_cast<float>(
        scale * (slope * norm.moments.mean.data()[k] - norm.dbeta.data()[k] / rows));
  }
}

void batch_norm_backward(const Tensor& dz, const BatchNormBackward& norm) {
  BatchNormBackward shared = norm;  // its tensors share their elements
  HWY_DYNAMIC_DISPATCH(BackwardSums)(dz.data(), dz.size() / dz.dim(-1), shared);
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

}  // namespace

void channel_moments(const Tensor& x, Moments& moments) {
  EMBER_REQUIRE(x.shape().size() > 0, "channel_moments: x {} has no elements",
                to_string(x.shape()));
  require_moments("channel_moments", moments, {x.dim(-1)});
  EMBER_DISPATCH(x.device(), channel_moments, x, moments);
}

void require_fits(const char* operation, const BatchNormFold& fold) {
  const Shape& channels = fold.gamma.shape();
  require_channels(operation, "beta", fold.beta, channels);
  require_moments(operation, fold.moments, channels);
  require_channels(operation, "scale", fold.scale, channels);
  require_channels(operation, "shift", fold.shift, channels);
  if (fold.moving != nullptr) require_moments(operation, *fold.moving, channels);
}

void batch_norm_fold(std::span<BatchNormFold> folds) {
  if (folds.empty()) return;
  for (const BatchNormFold& fold : folds) require_fits("batch_norm_fold", fold);
  EMBER_DISPATCH(folds[0].gamma.device(), batch_norm_fold, folds);
}

void require_fits(const char* operation, const Tensor& dz, const BatchNormBackward& norm) {
  EMBER_REQUIRE(dz.shape().size() > 0 && dz.shape() == norm.raw.shape(), "{}: dz {}, raw {}",
                operation, to_string(dz.shape()), to_string(norm.raw.shape()));
  const Shape channels{dz.dim(-1)};
  require_channels(operation, "gamma", norm.gamma, channels);
  require_moments(operation, norm.moments, channels);
  require_channels(operation, "dgamma", norm.dgamma, channels);
  require_channels(operation, "dbeta", norm.dbeta, channels);
  if (norm.coefficients == nullptr) return;
  require_channels(operation, "a", norm.coefficients->a, channels);
  require_channels(operation, "b", norm.coefficients->b, channels);
  require_channels(operation, "c", norm.coefficients->c, channels);
}

void batch_norm_backward(const Tensor& dz, const BatchNormBackward& norm) {
  require_fits("batch_norm_backward", dz, norm);
  EMBER_DISPATCH(dz.device(), batch_norm_backward, dz, norm);
}

}  // namespace ember
#endif  // HWY_ONCE
