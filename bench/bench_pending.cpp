#include "bench/bench.h"
#include "kernels/pending.h"

namespace ember {
namespace {

/// Applying what is pending as a pass of its own, at MobileNetV2's widest activations at batch 32:
/// the price of a layer that cannot take it along.
void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"side", "channels"})->Unit(benchmark::kMicrosecond);
  benchmark->Args({64, 96})->Args({32, 144})->Args({8, 576})->UseRealTime();
}

Shape shape_of(const benchmark::State& state) {
  return {32, state.range(0), state.range(0), state.range(1)};
}

void materialize(benchmark::State& state) {
  const BenchActivation x(shape_of(state));
  Tensor z = Tensor::zeros(x.raw.shape());
  while (state.KeepRunning()) ember::materialize(x.raw, x.pending(), z);
  set_floats_moved(state, 2 * z.size());
}
BENCHMARK(materialize)->Apply(shapes);

void materialize_gradient(benchmark::State& state) {
  const BenchActivation x(shape_of(state));
  const Tensor dz = bench_tensor(x.raw.shape());
  Tensor dx = Tensor::zeros(x.raw.shape());
  while (state.KeepRunning()) ember::materialize_gradient(dz, x.gradient(), dx);
  set_floats_moved(state, 3 * dx.size());
}
BENCHMARK(materialize_gradient)->Apply(shapes);

}  // namespace
}  // namespace ember
