#include "bench/bench.h"
#include "kernels/conv2d.h"

namespace ember {
namespace {

/// Convolutions at batch 32 and 128x128 photos, by their input's side and channels, outputs, kernel
/// and stride: MobileNetV2's first one, its expansions and projections, its last one, and the two
/// of the baseline.
void layers(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"side", "in", "out", "kernel", "stride"})->Unit(benchmark::kMicrosecond);
  for (const auto& [side, in, out, kernel, stride] : {std::array{128, 3, 32, 3, 2},
                                                      {64, 32, 16, 1, 1},
                                                      {64, 16, 96, 1, 1},
                                                      {32, 96, 24, 1, 1},
                                                      {32, 24, 144, 1, 1},
                                                      {16, 32, 192, 1, 1},
                                                      {8, 384, 64, 1, 1},
                                                      {8, 96, 576, 1, 1},
                                                      {4, 960, 160, 1, 1},
                                                      {4, 320, 1280, 1, 1},
                                                      {128, 3, 32, 3, 1},
                                                      {63, 32, 64, 3, 1}}) {
    benchmark->Args({side, in, out, kernel, stride});
  }
  benchmark->UseRealTime();
}

struct Layer {
  int64_t kernel;
  Window window;
  BenchActivation x;
  Tensor weight;
  BenchActivation y;

  explicit Layer(const benchmark::State& state)
      : kernel(state.range(3)),
        window(state.range(4) == 2 ? Window{2, 2, {0, 1, 0, 1}} : Window{1, 1, {}}),
        x({32, state.range(0), state.range(0), state.range(1)}),
        weight(bench_tensor({state.range(2), kernel, kernel, state.range(1)})),
        y(conv2d_output_shape(x.raw.shape(), weight.shape(), window)) {}
  /// Multiply-adds of one pass.
  int64_t products() const { return y.raw.size() * kernel * kernel * x.raw.dim(3); }
};

void conv2d_forward(benchmark::State& state) {
  Layer layer(state);
  Moments moments{Tensor({state.range(2)}), Tensor({state.range(2)})};
  while (state.KeepRunning()) {
    ember::conv2d_forward(layer.x.raw, layer.x.pending(), layer.weight, {}, layer.window,
                          layer.y.raw, &moments);
  }
  set_products(state, layer.products());
}
BENCHMARK(conv2d_forward)->Apply(layers);

void conv2d_dgrad(benchmark::State& state) {
  Layer layer(state);
  const Tensor dz = bench_tensor(layer.y.raw.shape());
  while (state.KeepRunning()) {
    ember::conv2d_dgrad(dz, layer.y.gradient(), layer.weight, layer.window, false, layer.x.raw);
  }
  set_products(state, layer.products());
}
BENCHMARK(conv2d_dgrad)->Apply(layers);

void conv2d_wgrad(benchmark::State& state) {
  Layer layer(state);
  const Tensor dz = bench_tensor(layer.y.raw.shape());
  Tensor no_bias;
  while (state.KeepRunning()) {
    ember::conv2d_wgrad(layer.x.raw, layer.x.pending(), dz, layer.y.gradient(), layer.window,
                        layer.weight, no_bias);
  }
  set_products(state, layer.products());
}
BENCHMARK(conv2d_wgrad)->Apply(layers);

}  // namespace
}  // namespace ember
