#include "kernels/add.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/add.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include "kernels/row_blocks.h"
#include "kernels/simd/pending-inl.h"
#include "tensor/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

void Add(const float* a, const Pending& a_pending, const float* b, const Pending& b_pending,
         int64_t rows, int64_t channels, float* y) {
  for_each_row_block(rows, channels, [&](int64_t first, int64_t count) {
    const hn::ScalableTag<float> d;
    for (int64_t row = first; row < first + count; ++row) {
      for_each_vector(d, channels, [&](int64_t c, size_t lanes) {
        const int64_t i = row * channels + c;
        const auto a_value = pending_forward(d, a_pending, load_n(d, a + i, lanes), c, lanes);
        const auto b_value = pending_forward(d, b_pending, load_n(d, b + i, lanes), c, lanes);
        store_n(hn::Add(a_value, b_value), d, y + i, lanes);
      });
    }
  });
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {
namespace cpu {

HWY_EXPORT(Add);

void add(const Tensor& a, const Pending& a_pending, const Tensor& b, const Pending& b_pending,
         Tensor& y) {
  const int64_t channels = a.dim(-1);
  HWY_DYNAMIC_DISPATCH(Add)
  (a.data(), a_pending, b.data(), b_pending, a.size() / channels, channels, y.data());
}

}  // namespace cpu

void add(const Tensor& a, const Pending& a_pending, const Tensor& b, const Pending& b_pending,
         Tensor& y) {
  EMBER_REQUIRE(a.shape() == b.shape(), "add: a {}, b {}", to_string(a.shape()),
                to_string(b.shape()));
  EMBER_REQUIRE(a.shape() == y.shape(), "add: a {}, y {}", to_string(a.shape()),
                to_string(y.shape()));
  if (a.shape().size() == 0) return;
  EMBER_DISPATCH(a.device(), add, a, a_pending, b, b_pending, y);
}

}  // namespace ember
#endif  // HWY_ONCE
