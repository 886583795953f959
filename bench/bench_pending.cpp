#include "bench/suite.h"
#include "kernels/pending.h"

namespace ember {

/// Applying what is pending as a pass of its own: the price of an operation that cannot take it
/// along.
void bench_pending(const Suite& suite) {
  for (const LayerCase& layer : suite.layers("ReLU")) {
    suite.add("materialize", layer, {.floats = 2 * layer.x.size()}, [=] {
      return [x = BenchActivation(suite, layer.x), z = suite.zeros(layer.y)]() mutable {
        materialize(x.raw, x.pending(), z);
      };
    });
    suite.add("materialize_gradient", layer, {.floats = 3 * layer.x.size()}, [=] {
      return [x = BenchActivation(suite, layer.x), dz = suite.random(layer.y),
              dx = suite.zeros(layer.x)]() mutable { materialize_gradient(dz, x.gradient(), dx); };
    });
  }
}

}  // namespace ember
