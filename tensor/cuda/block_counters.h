#pragma once

#include <cstdint>

namespace ember::cuda {

/// At least `count` counters on the GPU, by which the last block of a kernel knows that it is the
/// last. All are 0 between kernels: the last block sets those it has used back. Valid until the
/// calling thread asks again.
unsigned* block_counters(int64_t count);

}  // namespace ember::cuda
