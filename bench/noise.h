#pragma once

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace ember {

/// Images between 0 and 1, the same in every run.
inline Tensor noise_images(int64_t batch, int64_t side) {
  const Philox generator(1, Purpose::augmentation, 0);
  Tensor images({batch, side, side, 3});
  for (int64_t i = 0; i < images.size(); ++i) {
    images.data()[i] = generator.uniform(static_cast<uint64_t>(i));
  }
  return images;
}

}  // namespace ember
