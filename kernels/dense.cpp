#include "kernels/dense.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dense.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "kernels/simd/gemm-inl.h"
#include "kernels/simd/pending-inl.h"
#include "tensor/dispatch.h"
#include "tensor/parallel.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

/// All of pending(x), in x itself where nothing is to be done.
const float* transformed(const float* x, const Pending& pending, int64_t rows, int64_t columns) {
  if (pending.identity()) return x;
  float* copy = scratch(Scratch::input_block, rows * columns);
  parallel_for(rows, [&](int64_t row) {
    apply_pending(x + row * columns, 1, columns, pending, copy + row * columns, columns);
  });
  return copy;
}

const float* transformed(const float* dz, const PendingGradient& pending, int64_t rows,
                         int64_t columns) {
  if (pending.identity()) return dz;
  float* copy = scratch(Scratch::gradient_block, rows * columns);
  parallel_for(rows, [&](int64_t row) {
    apply_pending_gradient(dz, row, 1, columns, pending, copy + row * columns, columns);
  });
  return copy;
}

void DenseForward(const float* x, const Pending& pending, const float* weight, const float* bias,
                  int64_t rows, int64_t inputs, int64_t outputs, float* y) {
  const float* z = transformed(x, pending, rows, inputs);
  multiply_matrices({z, inputs, 1}, {weight, 1, inputs}, rows, outputs, inputs, {y, outputs, bias});
}

void DenseDgrad(const float* dz, const PendingGradient& pending, const float* weight, int64_t rows,
                int64_t inputs, int64_t outputs, float* dx) {
  const float* dy = transformed(dz, pending, rows, outputs);
  multiply_matrices({dy, outputs, 1}, {weight, inputs, 1}, rows, inputs, outputs, {dx, inputs});
}

void DenseWgrad(const float* x, const Pending& x_pending, const float* dz,
                const PendingGradient& dz_pending, int64_t rows, int64_t inputs, int64_t outputs,
                float* dweight, float* dbias) {
  const float* z = transformed(x, x_pending, rows, inputs);
  const float* dy = transformed(dz, dz_pending, rows, outputs);
  multiply_matrices({dy, 1, outputs}, {z, inputs, 1}, outputs, inputs, rows, {dweight, inputs});
  if (dbias == nullptr) return;
  for (int64_t o = 0; o < outputs; ++o) {
    double sum = 0;
    for (int64_t row = 0; row < rows; ++row) sum += dy[row * outputs + o];
    dbias[o] = static_cast<float>(sum);
  }
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {
namespace cpu {

HWY_EXPORT(DenseForward);
HWY_EXPORT(DenseDgrad);
HWY_EXPORT(DenseWgrad);

void dense_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                   const Tensor& bias, Tensor& y) {
  HWY_DYNAMIC_DISPATCH(DenseForward)
  (x.data(), pending, weight.data(), bias.data(), x.dim(0), x.dim(1), weight.dim(0), y.data());
}

void dense_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                 Tensor& dx) {
  HWY_DYNAMIC_DISPATCH(DenseDgrad)
  (dz.data(), pending, weight.data(), dx.dim(0), dx.dim(1), weight.dim(0), dx.data());
}

void dense_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                 const PendingGradient& dz_pending, Tensor& dweight, Tensor& dbias) {
  HWY_DYNAMIC_DISPATCH(DenseWgrad)
  (x.data(), x_pending, dz.data(), dz_pending, x.dim(0), x.dim(1), dweight.dim(0), dweight.data(),
   dbias.data());
}

}  // namespace cpu

namespace {

/// Checks x (N, I), weight (O, I), y (N, O), or the gradients that have their shapes.
void require_shapes(const char* operation, const Tensor& x, const Tensor& weight,
                    const Tensor& bias, const Tensor& y) {
  EMBER_REQUIRE(x.rank() == 2 && weight.rank() == 2 && x.shape().size() > 0 &&
                    weight.shape().size() > 0 && x.dim(1) == weight.dim(1) &&
                    y.shape() == Shape({x.dim(0), weight.dim(0)}) &&
                    (bias.empty() || bias.shape() == Shape({weight.dim(0)})),
                "{}: x {}, weight {}, bias {}, y {}", operation, to_string(x.shape()),
                to_string(weight.shape()), to_string(bias.shape()), to_string(y.shape()));
}

}  // namespace

void dense_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                   const Tensor& bias, Tensor& y) {
  require_shapes("dense_forward", x, weight, bias, y);
  EMBER_DISPATCH(x.device(), dense_forward, x, pending, weight, bias, y);
}

void dense_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                 Tensor& dx) {
  require_shapes("dense_dgrad", dx, weight, {}, dz);
  EMBER_DISPATCH(dz.device(), dense_dgrad, dz, pending, weight, dx);
}

void dense_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                 const PendingGradient& dz_pending, Tensor& dweight, Tensor& dbias) {
  require_shapes("dense_wgrad", x, dweight, dbias, dz);
  EMBER_DISPATCH(x.device(), dense_wgrad, x, x_pending, dz, dz_pending, dweight, dbias);
}

}  // namespace ember
#endif  // HWY_ONCE
