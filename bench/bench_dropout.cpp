#include "bench/bench.h"
#include "kernels/dropout.h"

namespace ember {
namespace {

/// The dropout before the classifier: (batch, 128).
void dropout(benchmark::State& state) {
  const Tensor x = bench_tensor({state.range(0), 128});
  Tensor y = Tensor::zeros(x.shape());
  Pending relu;
  relu.lower = 0;
  const Philox generator(1, Purpose::dropout, 0);
  while (state.KeepRunning()) dropout_forward(x, relu, 0.5f, generator, y);
  set_floats_moved(state, 2 * x.size());
}
BENCHMARK(dropout)->ArgName("batch")->Arg(32)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace ember
