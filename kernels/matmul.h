#pragma once

#include "tensor/tensor.h"

/// Matrix products of row-major matrices. The packed and register-blocked product behind them also
/// carries the convolutions and the dense layer (kernels/simd/gemm-inl.h).
namespace ember {

/// c (M, N) = a (M, K) * b (K, N).
void matmul(const Tensor& a, const Tensor& b, Tensor& c);

/// c (M, N) = a (M, K) * b^T, b (N, K).
void matmul_nt(const Tensor& a, const Tensor& b, Tensor& c);

/// c (M, N) = a^T * b, a (K, M), b (K, N).
void matmul_tn(const Tensor& a, const Tensor& b, Tensor& c);

namespace cpu {
void matmul(const Tensor& a, const Tensor& b, Tensor& c);
void matmul_nt(const Tensor& a, const Tensor& b, Tensor& c);
void matmul_tn(const Tensor& a, const Tensor& b, Tensor& c);
}  // namespace cpu

namespace cuda {
void matmul(const Tensor& a, const Tensor& b, Tensor& c);
void matmul_nt(const Tensor& a, const Tensor& b, Tensor& c);
void matmul_tn(const Tensor& a, const Tensor& b, Tensor& c);
}  // namespace cuda

}  // namespace ember
