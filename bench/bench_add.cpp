#include "bench/suite.h"
#include "kernels/add.h"

namespace ember {

/// The residual sums: a block's input and a projection behind BatchNorm.
void bench_add(const Suite& suite) {
  for (const LayerCase& layer : suite.layers("Add")) {
    suite.add("add", layer, {.floats = 3 * layer.y.size()}, [=] {
      const BenchActivation projection(suite, layer.x);
      return [=, input = suite.random(layer.x), y = suite.zeros(layer.y)]() mutable {
        add(input, {}, projection.raw, projection.batch_norm(), y);
      };
    });
  }
}

}  // namespace ember
