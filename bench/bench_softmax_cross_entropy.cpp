#include "bench/suite.h"
#include "kernels/batch_totals.h"
#include "kernels/softmax_cross_entropy.h"

namespace ember {

/// The loss of the study's 3 classes, and of ImageNet's, and what an epoch's mean takes of it.
void bench_softmax_cross_entropy(const Suite& suite) {
  for (const int64_t classes : {3, 1000}) {
    const Shape shape{suite.batch, classes};
    const LayerCase layer{.name = std::to_string(classes), .x = shape, .y = shape};
    const Work work{.floats = 2 * shape.size()};
    suite.add("softmax_cross_entropy_forward", layer, work, [=] {
      return
          [logits = suite.random(shape), labels = LabelTensor::zeros({suite.batch}, suite.device),
           probabilities = suite.zeros(shape), losses = suite.zeros({suite.batch})]() mutable {
            softmax_cross_entropy_forward(logits, labels, probabilities, losses);
          };
    });
    suite.add("softmax_cross_entropy_backward", layer, work, [=] {
      return [probabilities = suite.filled(shape, 0.25f),
              labels = LabelTensor::zeros({suite.batch}, suite.device),
              dlogits = suite.zeros(shape)]() mutable {
        softmax_cross_entropy_backward(probabilities, labels, dlogits);
      };
    });
    suite.add("batch_totals", layer, {.floats = shape.size()}, [=] {
      return [probabilities = suite.filled(shape, 0.25f), losses = suite.zeros({suite.batch}),
              labels = LabelTensor::zeros({suite.batch}, suite.device),
              totals = TensorOf<BatchTotals>({1}, suite.device)]() mutable {
        batch_totals(probabilities, losses, labels, totals);
      };
    });
  }
}

}  // namespace ember
