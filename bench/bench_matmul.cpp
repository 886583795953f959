#include "bench/bench.h"
#include "kernels/matmul.h"

namespace ember {
namespace {

/// Square products, and two of the shapes that MobileNetV2 makes of its 1x1 convolutions.
void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"m", "n", "k"})->Unit(benchmark::kMicrosecond);
  for (const auto& [m, n, k] : {std::array{256, 256, 256},
                                {512, 512, 512},
                                {1024, 1024, 1024},
                                {32768, 144, 24},
                                {512, 320, 960}}) {
    benchmark->Args({m, n, k});
  }
  benchmark->UseRealTime();
}

using Product = void (*)(const Tensor&, const Tensor&, Tensor&);

void run(benchmark::State& state, Product product, bool a_transposed, bool b_transposed) {
  const int64_t m = state.range(0);
  const int64_t n = state.range(1);
  const int64_t k = state.range(2);
  const Tensor a = bench_tensor(a_transposed ? Shape{k, m} : Shape{m, k});
  const Tensor b = bench_tensor(b_transposed ? Shape{n, k} : Shape{k, n});
  Tensor c = Tensor::zeros({m, n});
  while (state.KeepRunning()) product(a, b, c);
  set_products(state, m * n * k);
}

void matmul_nn(benchmark::State& state) { run(state, matmul, false, false); }
void matmul_nt(benchmark::State& state) { run(state, ember::matmul_nt, false, true); }
void matmul_tn(benchmark::State& state) { run(state, ember::matmul_tn, true, false); }
BENCHMARK(matmul_nn)->Apply(sizes);
BENCHMARK(matmul_nt)->Apply(sizes);
BENCHMARK(matmul_tn)->Apply(sizes);

}  // namespace
}  // namespace ember
