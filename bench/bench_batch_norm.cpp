#include "bench/suite.h"
#include "kernels/batch_norm.h"
#include "kernels/naive/naive.h"

namespace ember {
namespace {

constexpr float kEpsilon = 1e-3f;

Moments moments_of(const Suite& suite, const Shape& channels) {
  return {suite.filled(channels, 0.1f), suite.filled(channels, 1.0f)};
}

void bench_fold(const Suite& suite, const LayerCase& layer) {
  const Shape channels{layer.x[-1]};
  suite.add("batch_norm_fold", layer, {.floats = 10 * channels.size()}, [=] {
    const Tensor gamma = suite.random(channels);
    const Moments batch = moments_of(suite, channels);
    return [=, moving = moments_of(suite, channels), scale = suite.zeros(channels),
            shift = suite.zeros(channels)]() mutable {
      BatchNormFold fold{gamma, gamma, batch, kEpsilon, scale, shift, &moving, 0.999f};
      batch_norm_fold({&fold, 1});
    };
  });
}

void bench_backward(const Suite& suite, const LayerCase& layer) {
  suite.add("batch_norm_backward", layer, {.floats = 2 * layer.x.size()}, [=] {
    const Shape channels{layer.x[-1]};
    const BenchActivation x(suite, layer.x);
    const Tensor dz = suite.random(layer.x);
    const Moments moments = moments_of(suite, channels);
    BatchNormCoefficients dx{suite.zeros(channels), suite.zeros(channels), suite.zeros(channels)};
    return [=, dgamma = suite.zeros(channels), dbeta = suite.zeros(channels)]() mutable {
      batch_norm_backward(
          dz, {x.raw, x.pending(), moments.variance, moments, kEpsilon, dgamma, dbeta, &dx});
    };
  });
}

/// As passes of its own, which the models never make: for the moments (which a convolution gathers
/// as it stores) and for y (which the next operation transforms as it loads).
void bench_passes(const Suite& suite, const LayerCase& layer) {
  const Shape channels{layer.x[-1]};
  const int64_t floats = layer.x.size();
  suite.add("batch_norm_moments", layer, {.floats = floats}, [=] {
    return [x = suite.random(layer.x), moments = moments_of(suite, channels)]() mutable {
      channel_moments(x, moments);
    };
  });
  suite.add("batch_norm_forward", layer, {.floats = 2 * floats}, [=] {
    return [x = suite.random(layer.x), gamma = suite.random(channels),
            moments = moments_of(suite, channels), scale = suite.zeros(channels),
            shift = suite.zeros(channels), y = suite.zeros(layer.x)]() mutable {
      channel_moments(x, moments);
      BatchNormFold fold{gamma, gamma, moments, kEpsilon, scale, shift};
      batch_norm_fold({&fold, 1});
      materialize(x, {scale.data(), shift.data()}, y);
    };
  });
  if (suite.device == Device::cpu) return;
  const auto naive = [=] {
    return [x = suite.random(layer.x), gamma = suite.random(channels),
            y = suite.zeros(layer.x)]() mutable {
      cuda::naive::batch_norm_forward(x, gamma, gamma, kEpsilon, y);
    };
  };
  suite.add("batch_norm_forward", layer, {.floats = 2 * floats}, naive, Kernels::naive);
}

}  // namespace

void bench_batch_norm(const Suite& suite) {
  for (const LayerCase& layer : suite.layers("BatchNormalization")) {
    bench_fold(suite, layer);
    bench_backward(suite, layer);
    bench_passes(suite, layer);
  }
}

}  // namespace ember
