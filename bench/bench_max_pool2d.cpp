#include "bench/suite.h"
#include "kernels/max_pool2d.h"

namespace ember {

/// The baseline CNN's poolings, behind a ReLU. A choice is a quarter of a float.
void bench_max_pool2d(const Suite& suite) {
  for (const LayerCase& layer : suite.layers("MaxPooling2D")) {
    const Work work{.floats = layer.x.size() + layer.y.size() + layer.y.size() / 4};
    const int size = layer.window.stride_h;
    suite.add("max_pool2d_forward", layer, work, [=] {
      return [=, x = suite.random(layer.x), y = suite.zeros(layer.y),
              choice = ByteTensor::zeros(layer.y, suite.device)]() mutable {
        max_pool2d_forward(x, {.lower = 0}, size, y, choice);
      };
    });
    suite.add("max_pool2d_backward", layer, work, [=] {
      return [=, dy = suite.random(layer.y), dx = suite.zeros(layer.x),
              choice = ByteTensor::filled(layer.y, 3, suite.device)]() mutable {
        max_pool2d_backward(dy, {.choice = choice.data(), .pool_size = size}, dx);
      };
    });
  }
}

}  // namespace ember
