#include "kernels/matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include "kernels/simd/gemm-inl.h"
#include "tensor/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

void Matmul(const float* a, const float* b, int64_t m, int64_t n, int64_t k, float* c) {
  multiply_matrices({a, k, 1}, {b, n, 1}, m, n, k, {c, n});
}

void MatmulNt(const float* a, const float* b, int64_t m, int64_t n, int64_t k, float* c) {
  multiply_matrices({a, k, 1}, {b, 1, k}, m, n, k, {c, n});
}

void MatmulTn(const float* a, const float* b, int64_t m, int64_t n, int64_t k, float* c) {
  multiply_matrices({a, 1, m}, {b, n, 1}, m, n, k, {c, n});
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {
namespace cpu {

HWY_EXPORT(Matmul);
HWY_EXPORT(MatmulNt);
HWY_EXPORT(MatmulTn);

void matmul(const Tensor& a, const Tensor& b, Tensor& c) {
  HWY_DYNAMIC_DISPATCH(Matmul)(a.data(), b.data(), c.dim(0), c.dim(1), a.dim(1), c.data());
}

void matmul_nt(const Tensor& a, const Tensor& b, Tensor& c) {
  HWY_DYNAMIC_DISPATCH(MatmulNt)(a.data(), b.data(), c.dim(0), c.dim(1), a.dim(1), c.data());
}

void matmul_tn(const Tensor& a, const Tensor& b, Tensor& c) {
  HWY_DYNAMIC_DISPATCH(MatmulTn)(a.data(), b.data(), c.dim(0), c.dim(1), a.dim(0), c.data());
}

}  // namespace cpu

namespace {

/// Axis `rows_a` of a counts c's rows, axis `columns_b` of b its columns; the other two are summed
/// over.
void require_product(const char* operation, const Tensor& a, int rows_a, const Tensor& b,
                     int columns_b, const Tensor& c) {
  EMBER_REQUIRE(a.rank() == 2 && b.rank() == 2 && a.shape().size() > 0 && b.shape().size() > 0 &&
                    a.dim(1 - rows_a) == b.dim(1 - columns_b) &&
                    c.shape() == Shape({a.dim(rows_a), b.dim(columns_b)}),
                "{}: a {}, b {}, c {}", operation, to_string(a.shape()), to_string(b.shape()),
                to_string(c.shape()));
}

}  // namespace

void matmul(const Tensor& a, const Tensor& b, Tensor& c) {
  require_product("matmul", a, 0, b, 1, c);
  EMBER_DISPATCH(a.device(), matmul, a, b, c);
}

void matmul_nt(const Tensor& a, const Tensor& b, Tensor& c) {
  require_product("matmul_nt", a, 0, b, 0, c);
  EMBER_DISPATCH(a.device(), matmul_nt, a, b, c);
}

void matmul_tn(const Tensor& a, const Tensor& b, Tensor& c) {
  require_product("matmul_tn", a, 1, b, 1, c);
  EMBER_DISPATCH(a.device(), matmul_tn, a, b, c);
}

}  // namespace ember
#endif  // HWY_ONCE
