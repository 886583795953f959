#include "bench/suite.h"
#include "kernels/global_average_pool.h"

namespace ember {

/// MobileNetV2's last feature map.
void bench_global_average_pool(const Suite& suite) {
  for (const LayerCase& layer : suite.layers("GlobalAveragePooling2D")) {
    const Work work{.floats = layer.x.size() + layer.y.size()};
    suite.add("global_average_pool_forward", layer, work, [=] {
      return [x = BenchActivation(suite, layer.x), y = suite.zeros(layer.y)]() mutable {
        global_average_pool_forward(x.raw, x.pending(), y);
      };
    });
    suite.add("global_average_pool_backward", layer, work, [=] {
      return [dy = suite.random(layer.y), dx = suite.zeros(layer.x)]() mutable {
        global_average_pool_backward(dy, dx);
      };
    });
  }
}

}  // namespace ember
