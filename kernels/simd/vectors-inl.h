// Rows of floats vector by vector, the last one perhaps of fewer. Included once for each SIMD
// target.
#if defined(EMBER_KERNELS_SIMD_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBER_KERNELS_SIMD_VECTORS_INL_H_
#undef EMBER_KERNELS_SIMD_VECTORS_INL_H_
#else
#define EMBER_KERNELS_SIMD_VECTORS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Calls `body(offset, count)` for each vector of a row of `channels`; count is below Lanes(d) in
/// the last one only.
template <class D, class Body>
HWY_INLINE void for_each_vector(D d, int64_t channels, const Body& body) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) body(c, static_cast<size_t>(lanes));
  if (c < channels) body(c, static_cast<size_t>(channels - c));
}

/// The same in groups of `kVectors` vectors while they are full, then one by one: calls
/// `body(vectors, offset, count)`, where `vectors` is std::integral_constant kVectors or 1 and
/// `count` is as above.
template <int kVectors, class D, class Body>
HWY_INLINE void for_each_vector_group(D d, int64_t channels, const Body& body) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + kVectors * lanes <= channels; c += kVectors * lanes) {
    body(std::integral_constant<int, kVectors>(), c, hn::Lanes(d));
  }
  for (; c + lanes <= channels; c += lanes) {
    body(std::integral_constant<int, 1>(), c, hn::Lanes(d));
  }
  if (c < channels) body(std::integral_constant<int, 1>(), c, static_cast<size_t>(channels - c));
}

/// The first `count` floats at `from`, any alignment, nothing read beyond them; the remaining lanes
/// are 0.
template <class D>
HWY_INLINE hn::Vec<D> load_n(D d, const float* from, size_t count) {
  if (count == hn::Lanes(d)) return hn::LoadU(d, from);
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::MaskedLoad(hn::FirstN(d, count), d, from);
#else  // there MaskedLoad reads the whole vector
  HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)] = {};
  std::copy_n(from, count, lanes);
  return hn::Load(d, lanes);
#endif
}

template <class D>
HWY_INLINE void store_n(hn::Vec<D> v, D d, float* to, size_t count) {
  if (count == hn::Lanes(d)) {
    hn::StoreU(v, d, to);
  } else {
    hn::BlendedStore(v, hn::FirstN(d, count), d, to);
  }
}

/// Calls body(std::integral_constant<int, i>) for i < kCount: indices known at compile time keep
/// arrays of vectors in registers.
template <int kCount, class Body>
HWY_INLINE void unrolled(const Body& body) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    (body(std::integral_constant<int, i>()), ...);
  }
  (std::make_integer_sequence<int, kCount>());
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggle
