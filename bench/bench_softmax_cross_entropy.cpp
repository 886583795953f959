#include "bench/bench.h"
#include "kernels/softmax_cross_entropy.h"

namespace ember {
namespace {

void cross_entropy(benchmark::State& state) {
  const Tensor logits = bench_tensor({32, state.range(0)});
  const LabelTensor labels = LabelTensor::zeros({32});
  Tensor probabilities = Tensor::zeros(logits.shape());
  Tensor losses({32});
  Tensor dlogits = Tensor::zeros(logits.shape());
  while (state.KeepRunning()) {
    softmax_cross_entropy_forward(logits, labels, probabilities, losses);
    softmax_cross_entropy_backward(probabilities, labels, dlogits);
  }
  set_floats_moved(state, 4 * logits.size());
}
BENCHMARK(cross_entropy)
    ->ArgName("classes")
    ->Arg(3)
    ->Arg(1000)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

}  // namespace
}  // namespace ember
