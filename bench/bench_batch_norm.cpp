#include "bench/bench.h"
#include "kernels/batch_norm.h"

namespace ember {
namespace {

/// MobileNetV2's activations at batch 32, by side and channels.
void activations(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"side", "channels"})->Unit(benchmark::kMicrosecond)->UseRealTime();
  for (const auto& [side, channels] : {std::array{64, 16},
                                       {64, 32},
                                       {64, 96},
                                       {32, 24},
                                       {32, 144},
                                       {16, 192},
                                       {8, 576},
                                       {4, 1280}}) {
    benchmark->Args({side, channels});
  }
}

Shape shape_of(const benchmark::State& state) {
  return {32, state.range(0), state.range(0), state.range(1)};
}

void batch_norm_moments(benchmark::State& state) {
  const Tensor x = bench_tensor(shape_of(state));
  Moments moments{Tensor({x.dim(3)}), Tensor({x.dim(3)})};
  while (state.KeepRunning()) channel_moments(x, moments);
  set_floats_moved(state, x.size());
}
BENCHMARK(batch_norm_moments)->Apply(activations);

void batch_norm_gradient(benchmark::State& state) {
  const BenchActivation x(shape_of(state));
  const Tensor dz = bench_tensor(shape_of(state));
  const Shape channels{dz.dim(3)};
  const Moments moments{Tensor::filled(channels, 0.1f), Tensor::filled(channels, 1.0f)};
  Tensor dgamma(channels);
  Tensor dbeta(channels);
  while (state.KeepRunning()) {
    batch_norm_backward(dz, x.raw, x.pending(), moments.variance, moments, 1e-3f, dgamma, dbeta,
                        nullptr);
  }
  set_floats_moved(state, 2 * dz.size());
}
BENCHMARK(batch_norm_gradient)->Apply(activations);

}  // namespace
}  // namespace ember
