#include "bench/bench.h"
#include "kernels/global_average_pool.h"

namespace ember {
namespace {

/// MobileNetV2's last feature map at batch 32.
const Shape kFeatures{32, 4, 4, 1280};
const Shape kPooled{32, 1280};

void average_pool_forward(benchmark::State& state) {
  const BenchActivation x(kFeatures);
  Tensor y = Tensor::zeros(kPooled);
  while (state.KeepRunning()) global_average_pool_forward(x.raw, x.pending(), y);
  set_floats_moved(state, kFeatures.size() + kPooled.size());
}
BENCHMARK(average_pool_forward)->Unit(benchmark::kMicrosecond)->UseRealTime();

void average_pool_backward(benchmark::State& state) {
  const Tensor dy = bench_tensor(kPooled);
  Tensor dx = Tensor::zeros(kFeatures);
  while (state.KeepRunning()) global_average_pool_backward(dy, dx);
  set_floats_moved(state, kFeatures.size() + kPooled.size());
}
BENCHMARK(average_pool_backward)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace ember
