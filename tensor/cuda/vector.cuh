#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <initializer_list>
#include <type_traits>

/// Neighbouring channels as one value. Kernels are templates over V, which is float4 (16 bytes an
/// access) where the tensors allow it and float where they do not.
namespace ember::cuda {

/// Floats in a V.
template <class V>
inline constexpr int kLanes = sizeof(V) / sizeof(float);

/// As many bytes.
template <class V>
using Bytes = std::conditional_t<kLanes<V> == 1, uint8_t, uchar4>;

/// Whether rows of `channels` floats at these addresses can be read 16 bytes at a time. A null
/// pointer is no obstacle.
inline bool fits_float4(int64_t channels, std::initializer_list<const void*> addresses) {
  for (const void* address : addresses) {
    if (reinterpret_cast<uintptr_t>(address) % sizeof(float4) != 0) return false;
  }
  return channels % kLanes<float4> == 0;
}

template <class V>
__device__ __forceinline__ V load(const float* from) {
  return *reinterpret_cast<const V*>(from);
}

/// Through the read-only cache: for what no thread of the kernel writes.
template <class V>
__device__ __forceinline__ V load_constant(const float* from) {
  return __ldg(reinterpret_cast<const V*>(from));
}

template <class V>
__device__ __forceinline__ void store(float* to, V value) {
  *reinterpret_cast<V*>(to) = value;
}

/// f lane by lane: map(f, a, b) is (f(a.x, b.x), f(a.y, b.y), ..).
template <class F, class... Scalars>
__device__ __forceinline__ float map(const F& f, float first, Scalars... others) {
  return f(first, others...);
}
template <class F, class... Vectors>
__device__ __forceinline__ float4 map(const F& f, float4 first, Vectors... others) {
  return make_float4(f(first.x, others.x...), f(first.y, others.y...), f(first.z, others.z...),
                     f(first.w, others.w...));
}

/// The same value in each lane.
template <class V>
__device__ __forceinline__ V broadcast(float value) {
  if constexpr (kLanes<V> == 1) {
    return value;
  } else {
    return make_float4(value, value, value, value);
  }
}

__device__ __forceinline__ float add(float a, float b) { return a + b; }
__device__ __forceinline__ float4 add(float4 a, float4 b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

/// a * b + c with one rounding.
template <class V>
__device__ __forceinline__ V multiply_add(V a, V b, V c) {
  return map([](float x, float y, float z) { return fmaf(x, y, z); }, a, b, c);
}

}  // namespace ember::cuda
