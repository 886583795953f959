#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/emulator/block.h"
#include "kernels/emulator/vector_types.h"

// NOLINTBEGIN(bugprone-*,google-*,readability-*): the names are CUDA's

/// The CUDA C++ language of the kernels, in terms of block.h: keywords, built-in variables, warp
/// and block operations, atomics and arithmetic. Everything here is compiled with the hooks, so
/// that what it reads and writes is seen by the checker.

#define __global__
#define __device__
#define __host__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
// A block's shared memory: blocks run one after another, so one copy serves. No static shared array
// reaches 64 KiB; this alignment puts at least 16 KiB between two of them: the red zones. (The
// dynamic array needs none: its size is looked at.)
#define __shared__ static __attribute__((aligned(65536)))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define EMBER_UNCHECKED __attribute__((no_sanitize("thread")))

// Values and not variables, so that reading them is no memory access.
#define threadIdx (::ember::emulator::thread_index())
#define blockIdx (::ember::emulator::block_index())
#define blockDim (::ember::emulator::block_size())
#define gridDim (::ember::emulator::grid_size())
inline constexpr int warpSize = 32;

// Block and warp synchronisation -----------------------------------------------------------------

#define __syncthreads() (::ember::emulator::barrier(0))
#define __syncthreads_count(predicate) \
  (static_cast<int>(::ember::emulator::barrier((predicate) ? 1 : 0).count))
#define __syncthreads_or(predicate) \
  (::ember::emulator::barrier((predicate) ? 1 : 0).count > 0 ? 1 : 0)
#define __syncthreads_and(predicate) (::ember::emulator::barrier_all((predicate) ? 1 : 0))

__forceinline__ void __syncwarp(unsigned mask = 0xffffffffu) { ember::emulator::sync_warp(mask); }
inline void __threadfence() { ember::emulator::fence(); }

namespace ember::emulator {

template <typename T>
__forceinline__ uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <typename T>
__forceinline__ T from_bits(uint64_t bits) {
  T value;
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}
template <typename T>
__forceinline__ T shuffle_as(Shuffle kind, unsigned mask, T value, unsigned argument, int width) {
  return from_bits<T>(shuffle(kind, mask, to_bits(value), argument, static_cast<unsigned>(width)));
}

}  // namespace ember::emulator

template <typename T>
__forceinline__ T __shfl_sync(unsigned mask, T value, int lane, int width = warpSize) {
  return ember::emulator::shuffle_as(ember::emulator::Shuffle::index, mask, value,
                                     static_cast<unsigned>(lane), width);
}
template <typename T>
__forceinline__ T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  return ember::emulator::shuffle_as(ember::emulator::Shuffle::up, mask, value, delta, width);
}
template <typename T>
__forceinline__ T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  return ember::emulator::shuffle_as(ember::emulator::Shuffle::down, mask, value, delta, width);
}
template <typename T>
__forceinline__ T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = warpSize) {
  return ember::emulator::shuffle_as(ember::emulator::Shuffle::exchange, mask, value,
                                     static_cast<unsigned>(lanes), width);
}
__forceinline__ unsigned __ballot_sync(unsigned mask, int predicate) {
  return ember::emulator::vote(ember::emulator::Vote::ballot, mask, predicate != 0);
}
__forceinline__ int __any_sync(unsigned mask, int predicate) {
  return ember::emulator::vote(ember::emulator::Vote::any, mask, predicate != 0) != 0 ? 1 : 0;
}
__forceinline__ int __all_sync(unsigned mask, int predicate) {
  return ember::emulator::vote(ember::emulator::Vote::all, mask, predicate == 0) == 0 ? 1 : 0;
}

// Memory -----------------------------------------------------------------------------------------

template <typename T>
__forceinline__ T __ldg(const T* address) {
  return *address;
}
template <typename T>
__forceinline__ T __ldcg(const T* address) {
  return *address;
}

namespace ember::emulator {

/// Atomics: threads do not run at the same time, so the checker only has to know what they are, and
/// where: what calls this is inlined into the kernel.
template <typename T, typename Operation>
__attribute__((noinline)) EMBER_UNCHECKED T atomic(T* address, const Operation& operation) {
  static_assert(std::is_integral_v<T> && sizeof(T) >= 4, "Ember has no float atomics");
  atomic_access(address, sizeof(T), __builtin_return_address(0));
  const T before = *address;
  *address = operation(before);
  return before;
}

}  // namespace ember::emulator

template <typename T>
__forceinline__ T atomicAdd(T* address, std::type_identity_t<T> value) {
  return ember::emulator::atomic(address, [=](T old) EMBER_UNCHECKED { return old + value; });
}
template <typename T>
__forceinline__ T atomicMax(T* address, std::type_identity_t<T> value) {
  return ember::emulator::atomic(address,
                                 [=](T old) EMBER_UNCHECKED { return old > value ? old : value; });
}
template <typename T>
__forceinline__ T atomicMin(T* address, std::type_identity_t<T> value) {
  return ember::emulator::atomic(address,
                                 [=](T old) EMBER_UNCHECKED { return old < value ? old : value; });
}
template <typename T>
__forceinline__ T atomicExch(T* address, std::type_identity_t<T> value) {
  return ember::emulator::atomic(address, [=](T) EMBER_UNCHECKED { return value; });
}
template <typename T>
__forceinline__ T atomicOr(T* address, std::type_identity_t<T> value) {
  return ember::emulator::atomic(address, [=](T old) EMBER_UNCHECKED { return old | value; });
}
template <typename T>
__forceinline__ T atomicCAS(T* address, std::type_identity_t<T> expected,
                            std::type_identity_t<T> value) {
  return ember::emulator::atomic(
      address, [=](T old) EMBER_UNCHECKED { return old == expected ? value : old; });
}
/// Counts up to `limit`, then begins at 0 again.
__forceinline__ unsigned atomicInc(unsigned* address, unsigned limit) {
  return ember::emulator::atomic(
      address, [=](unsigned old) EMBER_UNCHECKED { return old >= limit ? 0u : old + 1; });
}

// Arithmetic -------------------------------------------------------------------------------------

using std::isnan;
using std::max;
using std::min;
// Of a NaN and a number, CUDA takes the number.
inline float max(float x, float y) { return fmaxf(x, y); }
inline float min(float x, float y) { return fminf(x, y); }

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline unsigned __umulhi(unsigned x, unsigned y) {
  return static_cast<unsigned>(static_cast<uint64_t>(x) * y >> 32);
}
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }

// NOLINTEND(bugprone-*,google-*,readability-*)
