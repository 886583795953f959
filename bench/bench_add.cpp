#include "bench/bench.h"
#include "kernels/add.h"

namespace ember {
namespace {

/// MobileNetV2's residual sums at batch 32: a block's input and a projection behind BatchNorm.
void residual_add(benchmark::State& state) {
  const Shape shape{32, state.range(0), state.range(0), state.range(1)};
  const Tensor input = bench_tensor(shape);
  const BenchActivation projection(shape);
  const Pending batch_norm{projection.scale.data(), projection.shift.data()};
  Tensor y = Tensor::zeros(shape);
  while (state.KeepRunning()) add(input, {}, projection.raw, batch_norm, y);
  set_floats_moved(state, 3 * y.size());
}
BENCHMARK(residual_add)
    ->ArgNames({"side", "channels"})
    ->Args({32, 24})
    ->Args({16, 32})
    ->Args({8, 64})
    ->Args({4, 160})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

}  // namespace
}  // namespace ember
