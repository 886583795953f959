#include "kernels/adam.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/adam.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "kernels/adam_coefficients.h"
#include "kernels/simd/pending-inl.h"
#include "tensor/dispatch.h"
#include "tensor/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

/// Elements [first, first + size) of one slot.
void update(AdamSlot& slot, const AdamCoefficients& k, int64_t first, int64_t size) {
  const hn::ScalableTag<float> d;
  const float* gradient = slot.gradient.data() + first;
  float* value = slot.value.data() + first;
  float* m = slot.m.data() + first;
  float* v = slot.v.data() + first;
  for_each_vector(d, size, [&](int64_t i, size_t lanes) {
    const auto g = load_n(d, gradient + i, lanes);
    auto m_i = load_n(d, m + i, lanes);
    auto v_i = load_n(d, v + i, lanes);
    m_i = hn::MulAdd(hn::Sub(g, m_i), hn::Set(d, k.one_minus_beta1), m_i);
    v_i = hn::MulAdd(hn::Sub(hn::Mul(g, g), v_i), hn::Set(d, k.one_minus_beta2), v_i);
    const auto denominator =
        hn::MulAdd(hn::Sqrt(v_i), hn::Set(d, k.root_factor), hn::Set(d, k.epsilon));
    const auto change = hn::Div(hn::Mul(hn::Set(d, k.step_size), m_i), denominator);
    store_n(m_i, d, m + i, lanes);
    store_n(v_i, d, v + i, lanes);
    store_n(hn::Sub(load_n(d, value + i, lanes), change), d, value + i, lanes);
  });
}

/// Threads share out fixed blocks of the slots laid end to end.
void Adam(std::span<AdamSlot> slots, const AdamCoefficients& coefficients) {
  constexpr int64_t kBlock = int64_t{1} << 15;
  int64_t size = 0;
  for (const AdamSlot& slot : slots) size += slot.value.size();
  parallel_for((size + kBlock - 1) / kBlock, [&](int64_t block) {
    const int64_t block_begin = block * kBlock;
    int64_t slot_begin = 0;
    for (AdamSlot& slot : slots) {
      const int64_t first = std::max(block_begin - slot_begin, int64_t{0});
      const int64_t end = std::min(block_begin + kBlock - slot_begin, slot.value.size());
      if (first < end) update(slot, coefficients, first, end - first);
      slot_begin += slot.value.size();
      if (slot_begin >= block_begin + kBlock) break;
    }
  });
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {
namespace cpu {

HWY_EXPORT(Adam);

void adam(std::span<AdamSlot> slots, const AdamOptions& options, int64_t step) {
  HWY_DYNAMIC_DISPATCH(Adam)(slots, AdamCoefficients(options, step));
}

}  // namespace cpu

void adam(std::span<AdamSlot> slots, const AdamOptions& options, int64_t step) {
  EMBER_REQUIRE(step >= 1, "adam: step {} (they count from 1)", step);
  for (size_t i = 0; i < slots.size(); ++i) {
    const AdamSlot& slot = slots[i];
    const Shape& shape = slot.value.shape();
    EMBER_REQUIRE(
        slot.gradient.shape() == shape && slot.m.shape() == shape && slot.v.shape() == shape,
        "adam: slot {} has value {}, gradient {}, m {}, v {}", i, to_string(shape),
        to_string(slot.gradient.shape()), to_string(slot.m.shape()), to_string(slot.v.shape()));
  }
  if (slots.empty()) return;
  EMBER_DISPATCH(slots.front().value.device(), adam, slots, options, step);
}

}  // namespace ember
#endif  // HWY_ONCE
