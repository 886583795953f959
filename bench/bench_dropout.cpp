#include "bench/suite.h"
#include "kernels/dropout.h"

namespace ember {

/// The dropout before the classifier, behind a ReLU.
void bench_dropout(const Suite& suite) {
  const DropoutMask mask{.rate = 0.5f, .seed = 1};
  for (const LayerCase& layer : suite.layers("Dropout")) {
    const Work work{.floats = 2 * layer.x.size()};
    suite.add("dropout_forward", layer, work, [=] {
      return [=, x = suite.random(layer.x), y = suite.zeros(layer.y)]() mutable {
        dropout_forward(x, {.lower = 0}, mask, y);
      };
    });
    suite.add("dropout_backward", layer, work, [=] {
      return [=, dy = suite.random(layer.y), dx = suite.zeros(layer.x)]() mutable {
        dropout_backward(dy, mask, dx);
      };
    });
  }
}

}  // namespace ember
