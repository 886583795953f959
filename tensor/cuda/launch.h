#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>

#include "tensor/cuda/check.h"
#include "tensor/cuda/stats.h"
#include "tensor/cuda/stream.h"

namespace ember::cuda {

/// Where and how wide a kernel runs.
struct LaunchConfig {
  dim3 grid;
  dim3 block;
  cudaStream_t stream;
  size_t shared_bytes = 0;  ///< dynamic shared memory of a block
};

/// What a block may take without asking.
inline constexpr size_t kCommonSharedBytes = 48 << 10;

/// Queues `kernel(args...)`, the arguments converted to its parameters' types. A grid of no blocks
/// does nothing.
template <class... P, class... A>
void launch(void (*kernel)(P...), const LaunchConfig& config, A&&... args) {
  if (config.grid.x == 0 || config.grid.y == 0 || config.grid.z == 0) return;
  if (config.shared_bytes > kCommonSharedBytes) {
    EMBER_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          static_cast<int>(config.shared_bytes)));
  }
  std::tuple<P...> values(std::forward<A>(args)...);
  std::apply(
      [&](P&... value) {
        void* pointers[] = {static_cast<void*>(&value)..., nullptr};
        EMBER_CUDA_CHECK(cudaLaunchKernel(kernel, config.grid, config.block, pointers,
                                          config.shared_bytes, config.stream));
      },
      values);
  count_launch();
}

/// Blocks that cover `count` elements, `per_block` each.
inline unsigned blocks_for(int64_t count, int64_t per_block) {
  const int64_t blocks = (count + per_block - 1) / per_block;
  EMBER_REQUIRE(count >= 0 && blocks <= std::numeric_limits<int>::max(),
                "{} elements, {} a block, are more than a grid holds", count, per_block);
  return static_cast<unsigned>(blocks);
}

}  // namespace ember::cuda
