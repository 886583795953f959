#pragma once

#include <numeric>

#include "tensor/tensor.h"

namespace ember {

/// 0, 1, 2, .. in the given shape.
inline Tensor counting(Shape shape) {
  Tensor tensor(shape);
  std::iota(tensor.values().begin(), tensor.values().end(), 0.0f);
  return tensor;
}

}  // namespace ember
