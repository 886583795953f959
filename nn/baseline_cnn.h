#pragma once

#include "nn/model.h"

namespace ember {

/// The study's baseline: two 3x3 convolutions with ReLU and max pooling, dense 128 with ReLU,
/// dropout, dense `classes`, under Keras's layer names. Images are (N, S, S, 3), the output is
/// the logits.
Model baseline_cnn(int64_t image_size, int64_t classes, float dropout = 0.5f);

}  // namespace ember
