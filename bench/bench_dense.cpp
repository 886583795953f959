#include "bench/suite.h"
#include "kernels/dense.h"

namespace ember {

/// The dense layers: the baseline's first one reads 29 MB of weights in each pass.
void bench_dense(const Suite& suite) {
  for (const LayerCase& layer : suite.layers("Dense")) {
    const Work work{.floats = layer.x.size() + layer.weight.size() + layer.y.size(),
                    .products = layer.x[0] * layer.weight.size()};
    suite.add("dense_forward", layer, work, [=] {
      return [x = suite.random(layer.x), weight = suite.random(layer.weight),
              bias = suite.random({layer.y[1]}),
              y = suite.zeros(layer.y)]() mutable { dense_forward(x, {}, weight, bias, y); };
    });
    Work gradient_work = work;
    gradient_work.floats += layer.y.size();  // the raw output of the pending gradient
    suite.add("dense_dgrad", layer, gradient_work, [=] {
      return [y = BenchActivation(suite, layer.y), dz = suite.random(layer.y),
              weight = suite.random(layer.weight),
              dx = suite.zeros(layer.x)]() mutable { dense_dgrad(dz, y.gradient(), weight, dx); };
    });
    suite.add("dense_wgrad", layer, gradient_work, [=] {
      return [x = suite.random(layer.x), y = BenchActivation(suite, layer.y),
              dz = suite.random(layer.y), dweight = suite.zeros(layer.weight),
              dbias = suite.zeros({layer.y[1]})]() mutable {
        dense_wgrad(x, {}, dz, y.gradient(), dweight, dbias);
      };
    });
  }
}

}  // namespace ember
