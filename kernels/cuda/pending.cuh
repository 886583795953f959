#pragma once

#include "kernels/pending.h"
#include "tensor/cuda/vector.cuh"

/// Pending transforms on the channels of one thread, bit for bit what kernels/simd/pending-inl.h
/// does on the CPU. V is float or float4.
namespace ember::cuda {

/// u limited to [lower, upper]; a NaN stays one, which fminf and fmaxf would hide.
__device__ __forceinline__ float clip(float u, float lower, float upper) {
  const float raised = lower > u ? lower : u;
  return upper < raised ? upper : raised;
}

/// A Pending at channels c to c + kLanes<V>, its coefficients in registers: made once where a
/// thread keeps its channels.
template <class V>
class ChannelPending {
 public:
  /// The neutral shift is -0: 1 * x - 0 is x for every x, -0 included.
  __device__ ChannelPending(const Pending& pending, int64_t c)
      : scale_(broadcast<V>(1.0f)),
        shift_(broadcast<V>(-0.0f)),
        lower_(pending.lower),
        upper_(pending.upper) {
    if (pending.has_affine()) {
      scale_ = load_constant<V>(pending.scale + c);
      shift_ = load_constant<V>(pending.shift + c);
    }
  }

  /// u = scale * raw + shift, before the clip.
  __device__ V affine(V raw) const { return multiply_add(scale_, raw, shift_); }

  /// z = clip(u)
  __device__ V operator()(V raw) const {
    return map([this](float u) { return clip(u, lower_, upper_); }, affine(raw));
  }

  /// dz where lower < u < upper, 0 elsewhere and where u is NaN.
  __device__ V du(V dz, V raw) const {
    return map([this](float g, float u) { return lower_ < u && u < upper_ ? g : 0.0f; }, dz,
               affine(raw));
  }

 private:
  V scale_;
  V shift_;
  float lower_;
  float upper_;
};

/// An incoming gradient, and the raw activation behind it where PendingGradient::reads_raw().
template <class V>
struct RawGradient {
  V dz;
  V raw;
};

/// A PendingGradient at channels c to c + kLanes<V>. What it lacks is known to all threads alike,
/// so its branches do not diverge.
template <class V>
class ChannelPendingGradient {
 public:
  __device__ ChannelPendingGradient(const PendingGradient& pending, int64_t c)
      : forward_(pending.forward.has_clip() ? pending.forward : Pending{}, c),
        a_(broadcast<V>(1.0f)),
        b_(broadcast<V>(0.0f)),
        c_(broadcast<V>(0.0f)),
        has_clip_(!pending.identity() && pending.forward.has_clip()),
        has_statistics_(!pending.identity() && pending.b != nullptr) {
    if (pending.identity()) return;
    if (pending.a != nullptr) a_ = load_constant<V>(pending.a + c);
    if (has_statistics_) {
      b_ = load_constant<V>(pending.b + c);
      c_ = load_constant<V>(pending.c + c);
    }
  }

  /// dL/draw
  __device__ V operator()(const RawGradient<V>& incoming) const {
    V gradient = has_clip_ ? forward_.du(incoming.dz, incoming.raw) : incoming.dz;
    gradient = map([](float a, float g) { return a * g; }, a_, gradient);
    return has_statistics_ ? add(gradient, multiply_add(b_, incoming.raw, c_)) : gradient;
  }

 private:
  ChannelPending<V> forward_;
  V a_;
  V b_;
  V c_;
  bool has_clip_;
  bool has_statistics_;
};

/// Whether a pending's coefficients can be read 16 bytes at a time.
inline bool fits_float4(const Pending& pending) {
  return fits_float4(0, {pending.scale, pending.shift});
}
inline bool fits_float4(const PendingGradient& pending) {
  return fits_float4(0, {pending.raw, pending.a, pending.b, pending.c}) &&
         fits_float4(pending.forward);
}

}  // namespace ember::cuda
