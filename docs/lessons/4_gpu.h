#pragma once

#include "tensor/tensor.h"

/// The steps of lesson 4 that are its own: c (M, N) = a (M, K) * b (K, N), all three on the GPU, M,
/// N and K multiples of kSizeUnit. Each launches one kernel.
namespace ember::cuda::lesson {

constexpr int64_t kSizeUnit = 64;

void neighbours_in_rows(const Tensor& a, const Tensor& b, Tensor& c);
void shared_tiles(const Tensor& a, const Tensor& b, Tensor& c);
void padded_tiles(const Tensor& a, const Tensor& b, Tensor& c);
void register_tiles(const Tensor& a, const Tensor& b, Tensor& c);

}  // namespace ember::cuda::lesson
