#include "kernels/pending.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pending.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include "kernels/row_blocks.h"
#include "kernels/simd/pending-inl.h"
#include "tensor/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

void Materialize(const float* raw, int64_t rows, int64_t channels, const Pending& pending,
                 float* z) {
  for_each_row_block(rows, channels, [&](int64_t first, int64_t count) {
    apply_pending(raw + first * channels, count, channels, pending, z + first * channels, channels);
  });
}

void MaterializeGradient(const float* dz, int64_t rows, int64_t channels,
                         const PendingGradient& pending, float* dx) {
  for_each_row_block(rows, channels, [&](int64_t first, int64_t count) {
    apply_pending_gradient(dz, first, count, channels, pending, dx + first * channels, channels);
  });
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {
namespace cpu {

HWY_EXPORT(Materialize);
HWY_EXPORT(MaterializeGradient);

void materialize(const Tensor& raw, const Pending& pending, Tensor& z) {
  const int64_t channels = raw.dim(-1);
  HWY_DYNAMIC_DISPATCH(Materialize)(raw.data(), raw.size() / channels, channels, pending, z.data());
}

void materialize_gradient(const Tensor& dz, const PendingGradient& pending, Tensor& dx) {
  const int64_t channels = dz.dim(-1);
  HWY_DYNAMIC_DISPATCH(MaterializeGradient)
  (dz.data(), dz.size() / channels, channels, pending, dx.data());
}

}  // namespace cpu

void materialize(const Tensor& raw, const Pending& pending, Tensor& z) {
  EMBER_REQUIRE(raw.shape() == z.shape(), "materialize: raw {}, z {}", to_string(raw.shape()),
                to_string(z.shape()));
  if (raw.shape().size() == 0) return;
  EMBER_DISPATCH(raw.device(), materialize, raw, pending, z);
}

void materialize_gradient(const Tensor& dz, const PendingGradient& pending, Tensor& dx) {
  EMBER_REQUIRE(dz.shape() == dx.shape() && !pending.pooled(),
                "materialize_gradient: dz {}{}, dx {}", to_string(dz.shape()),
                pending.pooled() ? ", pooled" : "", to_string(dx.shape()));
  if (dz.shape().size() == 0) return;
  EMBER_DISPATCH(dz.device(), materialize_gradient, dz, pending, dx);
}

}  // namespace ember
#endif  // HWY_ONCE
