#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/batch_norm.h"
#include "kernels/cuda/moments.cuh"
#include "kernels/cuda/pending.cuh"
#include "kernels/cuda/reduction.cuh"
#include "tensor/cuda/block_counters.h"
#include "tensor/scratch.h"

/// The sums that BatchNorm's backward pass needs of a gradient, gathered by the blocks of the
/// kernel that writes it:
///
///     sum = sum of du        product = sum of du * (raw - mean)
///
/// with du = dz where the clip of the forward transform let pass. The last block makes of them what
/// batch_norm.h says.
namespace ember::cuda {

/// What a BatchNorm's backward pass reads and writes for each channel.
struct BackwardChannels {
  const float* gamma = nullptr;
  const float* mean = nullptr;
  const float* variance = nullptr;
  float epsilon = 0;
  float* dgamma = nullptr;
  float* dbeta = nullptr;
  float* a = nullptr;  ///< null: no coefficients
  float* b = nullptr;
  float* c = nullptr;

  BackwardChannels() = default;
  explicit BackwardChannels(BatchNormBackward& norm)
      : gamma(norm.gamma.data()),
        mean(norm.moments.mean.data()),
        variance(norm.moments.variance.data()),
        epsilon(norm.epsilon),
        dgamma(norm.dgamma.data()),
        dbeta(norm.dbeta.data()),
        a(norm.coefficients == nullptr ? nullptr : norm.coefficients->a.data()),
        b(norm.coefficients == nullptr ? nullptr : norm.coefficients->b.data()),
        c(norm.coefficients == nullptr ? nullptr : norm.coefficients->c.data()) {}

  /// From the sums over `rows` rows.
  __device__ void finish(int64_t channel, float du, float product, int64_t rows) const {
    const double inverse = 1.0 / sqrt(double{variance[channel]} + epsilon);
    dbeta[channel] = du;
    dgamma[channel] = static_cast<float>(product * inverse);
    if (a == nullptr) return;
    const double scale = gamma[channel] * inverse;
    const double slope = inverse * dgamma[channel] / static_cast<double>(rows);
    a[channel] = static_cast<float>(scale);
    b[channel] = static_cast<float>(-scale * slope);
    c[channel] =
        static_cast<float>(scale * (slope * mean[channel] - du / static_cast<double>(rows)));
  }
};

/// Where a kernel's blocks merge their sums, and what becomes of them. The grid covers the gradient
/// by `groups` groups of `group_channels` channels and `tiles` tiles a group.
struct GradientSumsOutput {
  const float* raw = nullptr;  ///< null: no BatchNorm wants sums
  Pending forward;
  BackwardChannels norm;
  float* partials = nullptr;
  unsigned* counters = nullptr;
  int64_t rows = 0;
  unsigned channels = 0;
  unsigned tiles = 0;

  GradientSumsOutput() = default;
  GradientSumsOutput(BatchNormBackward* wanted, int64_t groups, int64_t tile_count,
                     int64_t group_channels) {
    if (wanted == nullptr) return;
    raw = wanted->raw.data();
    forward = wanted->forward;
    norm = BackwardChannels(*wanted);
    channels = static_cast<unsigned>(wanted->raw.dim(-1));
    rows = wanted->raw.size() / channels;
    tiles = static_cast<unsigned>(tile_count);
    partials = scratch(Scratch::partial_sums, groups * partial_rows(tiles) * 2 * group_channels,
                       Device::cuda);
    counters = block_counters(groups * partial_counters(tiles));
  }
};

/// Whether a BatchNorm's operands can be read 16 bytes at a time; so it is where there is none.
inline bool fits_float4(const BatchNormBackward* norm) {
  return norm == nullptr || (fits_float4(0, {norm->raw.data(), norm->moments.mean.data()}) &&
                             fits_float4(norm->forward));
}

template <class V>
struct GradientSums {
  V sum = broadcast<V>(0.0f);
  V product = broadcast<V>(0.0f);
};

/// What the sums of channels c to c + kLanes<V> need; c is one of the gradient's. In registers
/// where a thread has room for it, else made anew for each element.
template <class V>
class ChannelNorm {
 public:
  __device__ ChannelNorm(const GradientSumsOutput& output, int64_t c)
      : transform_(output.forward, c),
        mean_(output.raw == nullptr ? broadcast<V>(0.0f) : load_constant<V>(output.norm.mean + c)),
        clips_(output.forward.has_clip()) {}

  __device__ void add_to(GradientSums<V>& sums, V dz, V raw) const {
    const V du = clips_ ? transform_.du(dz, raw) : dz;
    sums.sum = add(sums.sum, du);
    sums.product =
        multiply_add(du, map([](float r, float m) { return r - m; }, raw, mean_), sums.product);
  }

 private:
  ChannelPending<V> transform_;
  V mean_;
  bool clips_;
};

/// Ends a kernel that gathers the sums: merges those of the block's threads, then with those of the
/// other tiles of its group; the last block writes the results. `cells` is shared memory for 2
/// cells a thread, which nobody uses any more. Every thread of the block calls it.
template <class V>
__device__ void finish_gradient_sums(const GradientSums<V>& sums, const MomentsPlace& place,
                                     V* cells, const GradientSumsOutput& output, unsigned group,
                                     unsigned tile) {
  const unsigned count = 2 * place.vectors;
  __syncthreads();
  cells[place.row * count + place.vector] = sums.sum;
  cells[place.row * count + place.vectors + place.vector] = sums.product;
  merge_rows(cells, place.rows, count);
  if (!merge_blocks(
          cells, count,
          reinterpret_cast<V*>(output.partials) + group * partial_rows(output.tiles) * count,
          output.counters + group * partial_counters(output.tiles), tile, output.tiles)) {
    return;
  }
  const unsigned width = place.vectors * kLanes<V>;
  const auto* totals = reinterpret_cast<const float*>(cells);
  for (unsigned i = thread_in_block(); i < width; i += threads_in_block()) {
    const unsigned c = group * width + i;
    if (c < output.channels) output.norm.finish(c, totals[i], totals[width + i], output.rows);
  }
}

}  // namespace ember::cuda
