#include "bench/bench.h"
#include "kernels/max_pool2d.h"

namespace ember {
namespace {

/// The baseline CNN's two poolings at batch 32, behind a ReLU. A choice is a quarter of a float.
void poolings(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"side", "channels"})->Args({126, 32})->Args({61, 64});
  benchmark->Unit(benchmark::kMicrosecond)->UseRealTime();
}

void max_pool_forward(benchmark::State& state) {
  const Tensor x = bench_tensor({32, state.range(0), state.range(0), state.range(1)});
  Tensor y = Tensor::zeros(max_pool2d_output_shape(x.shape(), 2));
  ByteTensor choice = ByteTensor::zeros(y.shape());
  Pending relu;
  relu.lower = 0;
  while (state.KeepRunning()) max_pool2d_forward(x, relu, 2, y, choice);
  set_floats_moved(state, x.size() + y.size() + y.size() / 4);
}
BENCHMARK(max_pool_forward)->Apply(poolings);

void max_pool_backward(benchmark::State& state) {
  Tensor dx = Tensor::zeros({32, state.range(0), state.range(0), state.range(1)});
  const Tensor dy = bench_tensor(max_pool2d_output_shape(dx.shape(), 2));
  const ByteTensor choice = ByteTensor::filled(dy.shape(), 3);
  while (state.KeepRunning()) max_pool2d_backward(dy, choice, 2, dx);
  set_floats_moved(state, dx.size() + dy.size() + dy.size() / 4);
}
BENCHMARK(max_pool_backward)->Apply(poolings);

}  // namespace
}  // namespace ember
