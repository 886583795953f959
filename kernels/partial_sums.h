#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/parallel.h"

namespace ember {

/// to[i] = sum over blocks of partials[block * stride + i] for i in [0, count): in double, in the
/// order of the blocks.
inline void merge_sums(const float* partials, int64_t blocks, int64_t stride, int64_t count,
                       float* to) {
  constexpr int64_t kGroup = 64;
  parallel_for((count + kGroup - 1) / kGroup, [=](int64_t group) {
    const int64_t first = group * kGroup;
    const int64_t width = std::min(kGroup, count - first);
    double sum[kGroup] = {};
    for (int64_t block = 0; block < blocks; ++block) {
      const float* partial = partials + block * stride + first;
      for (int64_t i = 0; i < width; ++i) sum[i] += partial[i];
    }
    for (int64_t i = 0; i < width; ++i) to[first + i] = static_cast<float>(sum[i]);
  });
}

}  // namespace ember
