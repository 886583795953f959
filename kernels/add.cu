// The sum of two activations after their pending transforms. Bound by memory; its versions are
// those of kernels/pending.cu, with two inputs. The transforms on load are the idea: written out by
// passes of their own they would add four more reads and writes of the activations to the three
// needed.
#include "kernels/add.h"

#include "kernels/cuda/channel_grid.cuh"
#include "kernels/cuda/pending.cuh"

namespace ember::cuda {
namespace {

template <class V>
__global__ void __launch_bounds__(kChannelThreads)
    add_kernel(const float* a, Pending a_pending, const float* b, Pending b_pending, int64_t size,
               int64_t channels, float* y) {
  const ChannelWalk<V> walk(channels);
  if (walk.channel >= channels) return;
  const ChannelPending<V> a_transform(a_pending, walk.channel);
  const ChannelPending<V> b_transform(b_pending, walk.channel);
  for (int64_t i = walk.first; i < size; i += walk.stride) {
    const V a_raw = load<V>(a + i);
    const V b_raw = load<V>(b + i);
    store(y + i, add(a_transform(a_raw), b_transform(b_raw)));
  }
}

}  // namespace

void add(const Tensor& a, const Pending& a_pending, const Tensor& b, const Pending& b_pending,
         Tensor& y) {
  const int64_t channels = a.dim(-1);
  const bool vector = fits_float4(channels, {a.data(), b.data(), y.data()}) &&
                      fits_float4(a_pending) && fits_float4(b_pending);
  launch(vector ? add_kernel<float4> : add_kernel<float>,
         channel_grid(a.size(), channels, vector ? 4 : 1), a.data(), a_pending, b.data(), b_pending,
         a.size(), channels, y.data());
}

}  // namespace ember::cuda
