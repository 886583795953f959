// Pending transforms as passes of their own. Bound by memory: each element is read and written
// once.
//
// 1. A thread an element, which finds its channel by a division and loads the channel's
//    coefficients: as many bytes of coefficients from the caches as of data from memory.
// 2. A thread keeps its channels and strides over rows: no division, coefficients in registers.
// 3. Four channels a thread: a quarter of the memory instructions, 512 bytes a warp each.
#include "kernels/pending.h"

#include "kernels/cuda/channel_grid.cuh"
#include "kernels/cuda/pending.cuh"

namespace ember::cuda {
namespace {

template <class V>
__global__ void __launch_bounds__(kChannelThreads)
    materialize_kernel(const float* raw, int64_t size, int64_t channels, Pending pending,
                       float* z) {
  const ChannelWalk<V> walk(channels);
  if (walk.channel >= channels) return;
  const ChannelPending<V> transform(pending, walk.channel);
  for (int64_t i = walk.first; i < size; i += walk.stride) {
    store(z + i, transform(load<V>(raw + i)));
  }
}

template <class V>
__global__ void __launch_bounds__(kChannelThreads)
    materialize_gradient_kernel(const float* dz, int64_t size, int64_t channels,
                                PendingGradient pending, float* dx) {
  const ChannelWalk<V> walk(channels);
  if (walk.channel >= channels) return;
  const ChannelPendingGradient<V> transform(pending, walk.channel);
  const bool reads_raw = pending.reads_raw();
  for (int64_t i = walk.first; i < size; i += walk.stride) {
    const V raw = reads_raw ? load<V>(pending.raw + i) : broadcast<V>(0.0f);
    store(dx + i, transform({load<V>(dz + i), raw}));
  }
}

}  // namespace

void materialize(const Tensor& raw, const Pending& pending, Tensor& z) {
  const int64_t channels = raw.dim(-1);
  const bool vector = fits_float4(channels, {raw.data(), z.data()}) && fits_float4(pending);
  launch(vector ? materialize_kernel<float4> : materialize_kernel<float>,
         channel_grid(raw.size(), channels, vector ? 4 : 1), raw.data(), raw.size(), channels,
         pending, z.data());
}

void materialize_gradient(const Tensor& dz, const PendingGradient& pending, Tensor& dx) {
  const int64_t channels = dz.dim(-1);
  const bool vector = fits_float4(channels, {dz.data(), dx.data()}) && fits_float4(pending);
  launch(vector ? materialize_gradient_kernel<float4> : materialize_gradient_kernel<float>,
         channel_grid(dz.size(), channels, vector ? 4 : 1), dz.data(), dz.size(), channels, pending,
         dx.data());
}

}  // namespace ember::cuda
