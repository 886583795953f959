// Inverted dropout. Bound by memory where four elements share a block of the generator.
//
// 1. A thread an element: Philox's ten rounds (some 100 instructions) for each, three quarters of
//    what they give thrown away.
// 2. Four channels a thread, one for each number of a block. The mask is drawn, never stored.
#include "kernels/dropout.h"

#include "kernels/cuda/channel_grid.cuh"
#include "kernels/cuda/pending.cuh"
#include "tensor/cuda/replayed.cuh"

namespace ember::cuda {
namespace {

/// Number `element` of the generator's stream for float, four from there for float4; as floats in
/// [0, 1), exactly as Philox::uniform. No index into the block is computed: it would go to memory.
template <class V>
__device__ V draw(const Philox& generator, int64_t element) {
  const auto bits = generator.block(static_cast<uint64_t>(element) / 4);
  if constexpr (kLanes<V> == 1) {
    const unsigned place = static_cast<unsigned>(element) % 4;
    const uint32_t low = place == 0 ? bits[0] : bits[1];
    const uint32_t high = place == 2 ? bits[2] : bits[3];
    return Philox::to_unit(place < 2 ? low : high);
  } else {
    return make_float4(Philox::to_unit(bits[0]), Philox::to_unit(bits[1]), Philox::to_unit(bits[2]),
                       Philox::to_unit(bits[3]));
  }
}

template <class V>
__global__ void __launch_bounds__(kChannelThreads)
    dropout_kernel(const float* from, Pending pending, int64_t size, int64_t channels, float scale,
                   DropoutMask mask, const uint64_t* replayed_step, float* to) {
  const ChannelWalk<V> walk(channels);
  if (walk.channel >= channels) return;
  const ChannelPending<V> transform(pending, walk.channel);
  mask.step = current(mask.step, replayed_step);
  const Philox generator = mask.generator();
  const float rate = mask.rate;
  for (int64_t i = walk.first; i < size; i += walk.stride) {
    const V z = transform(load<V>(from + i));
    store(to + i,
          map([=](float value, float uniform) { return uniform >= rate ? value * scale : 0.0f; }, z,
              draw<V>(generator, i)));
  }
}

Replayed<uint64_t>& replayed_step() {
  thread_local Replayed<uint64_t> step;
  return step;
}

void drop(const Tensor& from, const Pending& pending, const DropoutMask& mask, Tensor& to) {
  const int64_t channels = from.dim(-1);
  const bool vector = fits_float4(channels, {from.data(), to.data()}) && fits_float4(pending);
  launch(vector ? dropout_kernel<float4> : dropout_kernel<float>,
         channel_grid(from.size(), channels, vector ? 4 : 1), from.data(), pending, from.size(),
         channels, 1.0f / (1.0f - mask.rate), mask, replayed_step().address(), to.data());
}

}  // namespace

void set_replayed_dropout_step(uint64_t step) { replayed_step().set(step); }

void dropout_forward(const Tensor& x, const Pending& pending, const DropoutMask& mask, Tensor& y) {
  drop(x, pending, mask, y);
}

void dropout_backward(const Tensor& dy, const DropoutMask& mask, Tensor& dx) {
  drop(dy, {}, mask, dx);
}

}  // namespace ember::cuda
