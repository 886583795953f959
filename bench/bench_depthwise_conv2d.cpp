#include "bench/bench.h"
#include "kernels/depthwise_conv2d.h"

namespace ember {
namespace {

/// One of MobileNetV2's depthwise convolutions at batch 32 and 128x128 photos, by its input's side,
/// channels and stride.
struct Layer {
  int64_t side, channels;
  Window window;
  Shape x, weight, y;

  explicit Layer(const benchmark::State& state)
      : side(state.range(0)),
        channels(state.range(1)),
        window(state.range(2) == 1 ? Window{1, 1, Padding::all(1)} : Window{2, 2, {0, 1, 0, 1}}),
        x{32, side, side, channels},
        weight{3, 3, channels},
        y(depthwise_conv2d_output_shape(x, weight, window)) {}
};

void layers(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"side", "channels", "stride"})->Unit(benchmark::kMicrosecond);
  for (const auto& [side, channels, stride] : {std::array{64, 32, 1},
                                               {64, 96, 2},
                                               {32, 144, 1},
                                               {32, 144, 2},
                                               {16, 192, 1},
                                               {16, 192, 2},
                                               {8, 384, 1},
                                               {8, 576, 1},
                                               {8, 576, 2},
                                               {4, 960, 1}}) {
    benchmark->Args({side, channels, stride});
  }
  benchmark->UseRealTime();
}

void depthwise_forward(benchmark::State& state) {
  const Layer layer(state);
  const BenchActivation x(layer.x);
  const Tensor weight = bench_tensor(layer.weight);
  Tensor y = Tensor::zeros(layer.y);
  Moments moments{Tensor({layer.channels}), Tensor({layer.channels})};
  while (state.KeepRunning()) {
    depthwise_conv2d_forward(x.raw, x.pending(), weight, layer.window, y, &moments);
  }
  set_floats_moved(state, layer.x.size() + layer.y.size());
}
BENCHMARK(depthwise_forward)->Apply(layers);

void depthwise_dgrad(benchmark::State& state) {
  const Layer layer(state);
  const BenchActivation y(layer.y);
  const Tensor dz = bench_tensor(layer.y);
  const Tensor weight = bench_tensor(layer.weight);
  Tensor dx = Tensor::zeros(layer.x);
  while (state.KeepRunning()) depthwise_conv2d_dgrad(dz, y.gradient(), weight, layer.window, dx);
  set_floats_moved(state, layer.x.size() + 2 * layer.y.size());
}
BENCHMARK(depthwise_dgrad)->Apply(layers);

void depthwise_wgrad(benchmark::State& state) {
  const Layer layer(state);
  const BenchActivation x(layer.x);
  const BenchActivation y(layer.y);
  const Tensor dz = bench_tensor(layer.y);
  Tensor dweight(layer.weight);
  while (state.KeepRunning()) {
    depthwise_conv2d_wgrad(x.raw, x.pending(), dz, y.gradient(), layer.window, dweight);
  }
  set_floats_moved(state, layer.x.size() + 2 * layer.y.size());
}
BENCHMARK(depthwise_wgrad)->Apply(layers);

}  // namespace
}  // namespace ember
