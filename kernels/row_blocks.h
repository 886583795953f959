#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/parallel.h"

namespace ember {

/// Calls `body(first_row, rows)` in parallel for blocks of about `kBlockElements` elements of a
/// (rows, channels) matrix. The blocks depend on the shape alone, so sums taken block by block do
/// not depend on the thread count.
template <typename Body>
void for_each_row_block(int64_t rows, int64_t channels, const Body& body) {
  constexpr int64_t kBlockElements =
      int64_t{1} << 14;  // 64 KiB: half of a small L2 with room for a second operand
  const int64_t block = std::max<int64_t>(kBlockElements / std::max<int64_t>(channels, 1), 1);
  parallel_for((rows + block - 1) / block,
               [&](int64_t i) { body(i * block, std::min(block, rows - i * block)); });
}

}  // namespace ember
