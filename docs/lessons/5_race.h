#pragma once

#include "tensor/tensor.h"

/// The kernels of lesson 5: sum (1) = the sum of x (kBlocks, kThreads), all on the GPU. `partials`
/// has an element a block, `counter` holds a 0 and does so again afterwards.
namespace ember::cuda::lesson {

constexpr int kBlocks = 4;
constexpr int kThreads = 64;

using Sum = void(const Tensor& x, Tensor& partials, LabelTensor& counter, Tensor& sum);
Sum sum_without_barrier;
Sum sum_without_fence;
Sum sum_mended;

}  // namespace ember::cuda::lesson
