#pragma once

#include "kernels/cuda/pending.cuh"

/// Where a convolution or a matrix product reads, and what is pending there. A source reads in two
/// steps, so that the memory's answer and the arithmetic on it can stand far apart: fetch(offset),
/// then at(channel)(fetched), where at(channel) can be kept by a thread that keeps its channels.
namespace ember::cuda {

/// Elements as they are.
struct PlainSource {
  const float* data;

  template <class V>
  using Fetched = V;

  template <class V>
  __device__ V fetch(int64_t offset) const {
    return load_constant<V>(data + offset);
  }
  template <class V>
  __device__ auto at(int) const {
    return [](V value) { return value; };
  }
};

/// An activation with what is pending on it.
struct ActivationSource {
  const float* data;
  Pending pending;

  template <class V>
  using Fetched = V;
  template <class V>
  using Transform = ChannelPending<V>;

  template <class V>
  __device__ V fetch(int64_t offset) const {
    return load_constant<V>(data + offset);
  }
  template <class V>
  __device__ Transform<V> at(int channel) const {
    return Transform<V>(pending, channel);
  }
};

/// A gradient with what is pending on it.
struct GradientSource {
  const float* data;
  PendingGradient pending;
  const float* raw;  ///< null where the transform does without

  GradientSource(const float* dz, const PendingGradient& transform)
      : data(dz), pending(transform), raw(transform.reads_raw() ? transform.raw : nullptr) {}

  template <class V>
  using Fetched = RawGradient<V>;
  template <class V>
  using Transform = ChannelPendingGradient<V>;

  template <class V>
  __device__ Fetched<V> fetch(int64_t offset) const {
    const V dz = load_constant<V>(data + offset);
    return {dz, raw == nullptr ? broadcast<V>(0.0f) : load_constant<V>(raw + offset)};
  }
  template <class V>
  __device__ Transform<V> at(int channel) const {
    return Transform<V>(pending, channel);
  }
};

/// Whether sources can be read 16 bytes at a time.
inline bool fits_float4(const ActivationSource& x) {
  return fits_float4(0, {x.data}) && fits_float4(x.pending);
}
inline bool fits_float4(const GradientSource& dy) {
  return fits_float4(0, {dy.data}) && fits_float4(dy.pending);
}

}  // namespace ember::cuda
