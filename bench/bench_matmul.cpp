#include "bench/suite.h"
#include "kernels/matmul.h"
#include "kernels/naive/naive.h"

namespace ember {
namespace {

using Product = void (*)(const Tensor&, const Tensor&, Tensor&);

void bench_product(const Suite& suite, std::string_view operation, Product product, int64_t side,
                   Kernels kernels) {
  const Shape square{side, side};
  const auto prepare = [=] {
    return [=, a = suite.random(square), b = suite.random(square),
            c = suite.zeros(square)]() mutable { product(a, b, c); };
  };
  suite.add(operation, {.name = std::to_string(side), .x = square, .y = square},
            {.floats = 3 * square.size(), .products = side * square.size()}, prepare, kernels);
}

}  // namespace

/// Square products, for comparison with other libraries: the models' own are convolutions and dense
/// layers. At the study's 128 pixels they measure 256, 512 and 1024.
void bench_matmul(const Suite& suite) {
  for (const int64_t side : {2 * suite.image_size, 4 * suite.image_size, 8 * suite.image_size}) {
    bench_product(suite, "matmul", matmul, side, Kernels::own);
    if (suite.device == Device::cuda) {
      bench_product(suite, "matmul", cuda::naive::matmul, side, Kernels::naive);
    }
    bench_product(suite, "matmul_nt", matmul_nt, side, Kernels::own);
    bench_product(suite, "matmul_tn", matmul_tn, side, Kernels::own);
  }
}

}  // namespace ember
