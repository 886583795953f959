#include "bench/suite.h"
#include "kernels/adam.h"
#include "nn/baseline_cnn.h"
#include "nn/mobilenet_v2.h"

namespace ember {
namespace {

/// One update of all that a model learns.
void bench_model(const Suite& suite, const std::string& name, const Model& model) {
  std::vector<Shape> shapes;
  model.for_each_parameter([&](const Layer& layer, const Parameter& parameter) {
    if (layer.trainable() && parameter.learned) shapes.push_back(parameter.value.shape());
  });
  const Shape all{model.trainable_count()};
  const Work work{.floats = 7 * all.size()};  // four read, three of them written
  suite.add("adam", {.name = name, .x = all, .y = all}, work, [=] {
    std::vector<AdamSlot> slots;
    slots.reserve(shapes.size());
    for (const Shape& shape : shapes) {
      slots.push_back(
          {suite.random(shape), suite.random(shape), suite.zeros(shape), suite.zeros(shape)});
    }
    return [=, step = int64_t{0}]() mutable { adam(slots, {}, ++step); };
  });
}

}  // namespace

void bench_adam(const Suite& suite) {
  constexpr int64_t kClasses = 3;
  bench_model(suite, "baseline_cnn", baseline_cnn(suite.image_size, kClasses));
  Model model = mobilenet_v2({.image_size = suite.image_size}, kClasses);
  bench_model(suite, "mobilenet_v2", model);
  model.set_trainable(0, base_end(model), false);
  bench_model(suite, "mobilenet_v2_head", model);
}

}  // namespace ember
