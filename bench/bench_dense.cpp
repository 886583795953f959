#include "bench/bench.h"
#include "kernels/dense.h"

namespace ember {
namespace {

/// The dense layers of the study at batch 32: the baseline's, whose 29 MB of weights are read once
/// a pass, and the transfer model's.
void layers(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"inputs", "outputs"})->Unit(benchmark::kMicrosecond);
  benchmark->Args({57600, 128})->Args({1280, 128})->Args({128, 3})->UseRealTime();
}

struct Layer {
  int64_t inputs, outputs;
  BenchActivation x, y;
  Tensor weight;

  explicit Layer(const benchmark::State& state)
      : inputs(state.range(0)),
        outputs(state.range(1)),
        x({32, inputs}),
        y({32, outputs}),
        weight(bench_tensor({outputs, inputs})) {}
  int64_t products() const { return 32 * inputs * outputs; }
};

void dense_forward(benchmark::State& state) {
  Layer layer(state);
  const Tensor bias = bench_tensor({layer.outputs});
  while (state.KeepRunning()) {
    ember::dense_forward(layer.x.raw, {}, layer.weight, bias, layer.y.raw);
  }
  set_products(state, layer.products());
}
BENCHMARK(dense_forward)->Apply(layers);

void dense_dgrad(benchmark::State& state) {
  Layer layer(state);
  const Tensor dz = bench_tensor(layer.y.raw.shape());
  while (state.KeepRunning()) {
    ember::dense_dgrad(dz, layer.y.gradient(), layer.weight, layer.x.raw);
  }
  set_products(state, layer.products());
}
BENCHMARK(dense_dgrad)->Apply(layers);

void dense_wgrad(benchmark::State& state) {
  Layer layer(state);
  const Tensor dz = bench_tensor(layer.y.raw.shape());
  Tensor dbias({layer.outputs});
  while (state.KeepRunning()) {
    ember::dense_wgrad(layer.x.raw, {}, dz, layer.y.gradient(), layer.weight, dbias);
  }
  set_products(state, layer.products());
}
BENCHMARK(dense_wgrad)->Apply(layers);

}  // namespace
}  // namespace ember
