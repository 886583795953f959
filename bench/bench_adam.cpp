#include "bench/bench.h"
#include "kernels/adam.h"

namespace ember {
namespace {

/// One update of `range(0)` parameters: the baseline CNN's, MobileNetV2's, its head's.
void adam_step(benchmark::State& state) {
  const Shape shape{state.range(0)};
  std::vector<AdamSlot> slots{
      {bench_tensor(shape), bench_tensor(shape), Tensor::zeros(shape), Tensor::zeros(shape)}};
  int64_t step = 0;
  while (state.KeepRunning()) adam(slots, {}, ++step);
  set_floats_moved(state, 7 * shape.size());  // four read, three of them written
}
BENCHMARK(adam_step)
    ->ArgName("parameters")
    ->Arg(7392707)
    ->Arg(2388227)
    ->Arg(164355)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

}  // namespace
}  // namespace ember
