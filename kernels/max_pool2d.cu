// Maximum pooling. Bound by memory: forward reads x once, backward writes dx once.
//
// 1. A thread an output element, its indices by divisions, one load after the other.
// 2. A block takes rows of windows and a thread keeps its channels (as in kernels/pending.cu).
// 3. Four channels a thread, and the 2x2 window of the models unrolled: its loads run together.
//
// Backward goes over windows as well, those that the image's edge cuts short included, so that each
// element of dx is written once, the zeros too.
#include "kernels/max_pool2d.h"

#include "kernels/cuda/channel_grid.cuh"
#include "kernels/cuda/pending.cuh"

namespace ember::cuda {
namespace {

struct PoolShape {
  int64_t images;
  int64_t height;
  int64_t width;
  int64_t channels;
  int64_t out_height;
  int64_t out_width;
};

__device__ __forceinline__ void take_better(float& best, uint8_t& best_at, float value, int at) {
  // A NaN, which equals nothing, is the maximum; the first one if there are several.
  if (best == best && !(best >= value)) {
    best = value;
    best_at = static_cast<uint8_t>(at);
  }
}
__device__ __forceinline__ void take_better(float4& best, uchar4& best_at, float4 value, int at) {
  take_better(best.x, best_at.x, value.x, at);
  take_better(best.y, best_at.y, value.y, at);
  take_better(best.z, best_at.z, value.z, at);
  take_better(best.w, best_at.w, value.w, at);
}

__device__ __forceinline__ float where_chosen(uint8_t choice, int at, float gradient) {
  return choice == at ? gradient : 0.0f;
}
__device__ __forceinline__ float4 where_chosen(uchar4 choice, int at, float4 gradient) {
  return make_float4(where_chosen(choice.x, at, gradient.x), where_chosen(choice.y, at, gradient.y),
                     where_chosen(choice.z, at, gradient.z),
                     where_chosen(choice.w, at, gradient.w));
}

/// kSize is the window's size, 0 for any `size`.
template <class V, int kSize>
__global__ void __launch_bounds__(kChannelThreads)
    max_pool2d_forward_kernel(const float* x, Pending pending, PoolShape shape, int any_size,
                              float* y, uint8_t* choice) {
  const int size = kSize > 0 ? kSize : any_size;
  const int64_t channel = thread_channel<V>();
  if (channel >= shape.channels) return;
  const ChannelPending<V> transform(pending, channel);
  for (int64_t row = blockIdx.y; row < shape.images * shape.out_height; row += gridDim.y) {
    const int64_t in_row = row / shape.out_height * shape.height + row % shape.out_height * size;
    for (int64_t ow = threadIdx.y; ow < shape.out_width; ow += blockDim.y) {
      const float* window = x + (in_row * shape.width + ow * size) * shape.channels + channel;
      V best = transform(load<V>(window));
      Bytes<V> best_at{};
#pragma unroll
      for (int h = 0; h < size; ++h) {
#pragma unroll
        for (int w = 0; w < size; ++w) {
          if (h == 0 && w == 0) continue;
          const V raw = load<V>(window + (h * shape.width + w) * shape.channels);
          take_better(best, best_at, transform(raw), h * size + w);
        }
      }
      const int64_t to = (row * shape.out_width + ow) * shape.channels + channel;
      store(y + to, best);
      *reinterpret_cast<Bytes<V>*>(choice + to) = best_at;
    }
  }
}

template <class V, int kSize>
__global__ void __launch_bounds__(kChannelThreads)
    max_pool2d_backward_kernel(const float* dy, PendingGradient pending, PoolShape shape,
                               float* dx) {
  const int size = kSize > 0 ? kSize : pending.pool_size;
  const int64_t channel = thread_channel<V>();
  if (channel >= shape.channels) return;
  const ChannelPendingGradient<V> transform(pending, channel);
  const bool reads_raw = pending.reads_raw();
  const int64_t window_rows = (shape.height + size - 1) / size;
  const int64_t window_columns = (shape.width + size - 1) / size;
  for (int64_t row = blockIdx.y; row < shape.images * window_rows; row += gridDim.y) {
    const int64_t image = row / window_rows;
    const int64_t oh = row % window_rows;
    for (int64_t ow = threadIdx.y; ow < window_columns; ow += blockDim.y) {
      V gradient = broadcast<V>(0.0f);
      Bytes<V> chosen{};
      if (oh < shape.out_height && ow < shape.out_width) {
        const int64_t from =
            ((image * shape.out_height + oh) * shape.out_width + ow) * shape.channels + channel;
        const V raw = reads_raw ? load<V>(pending.raw + from) : broadcast<V>(0.0f);
        gradient = transform({load<V>(dy + from), raw});
        chosen = *reinterpret_cast<const Bytes<V>*>(pending.choice + from);
      }
#pragma unroll
      for (int kh = 0; kh < size; ++kh) {
#pragma unroll
        for (int kw = 0; kw < size; ++kw) {
          const int64_t h = oh * size + kh;
          const int64_t w = ow * size + kw;
          if (h >= shape.height || w >= shape.width) continue;
          const int64_t to = ((image * shape.height + h) * shape.width + w) * shape.channels;
          store(dx + to + channel, where_chosen(chosen, kh * size + kw, gradient));
        }
      }
    }
  }
}

PoolShape pool_shape(const Tensor& x, const Tensor& y) {
  return {x.dim(0), x.dim(1), x.dim(2), x.dim(3), y.dim(1), y.dim(2)};
}

/// A block for each row of windows, as far as the grid reaches.
LaunchConfig pool_grid(int64_t window_rows, int64_t channels, int lanes) {
  const dim3 block = channel_block(channels, lanes);
  return {dim3(blocks_for(channels, int64_t{lanes} * block.x), capped_blocks(window_rows)), block,
          current_stream()};
}

}  // namespace

void max_pool2d_forward(const Tensor& x, const Pending& pending, int size, Tensor& y,
                        ByteTensor& choice) {
  const PoolShape shape = pool_shape(x, y);
  const bool vector =
      fits_float4(shape.channels, {x.data(), y.data(), choice.data()}) && fits_float4(pending);
  const auto kernel = vector ? (size == 2 ? max_pool2d_forward_kernel<float4, 2>
                                          : max_pool2d_forward_kernel<float4, 0>)
                             : max_pool2d_forward_kernel<float, 0>;
  launch(kernel, pool_grid(shape.images * shape.out_height, shape.channels, vector ? 4 : 1),
         x.data(), pending, shape, size, y.data(), choice.data());
}

void max_pool2d_backward(const Tensor& dy, const PendingGradient& pending, Tensor& dx) {
  const int size = pending.pool_size;
  const PoolShape shape = pool_shape(dx, dy);
  const bool vector =
      fits_float4(shape.channels, {dy.data(), dx.data(), pending.choice}) && fits_float4(pending);
  const auto kernel = vector ? (size == 2 ? max_pool2d_backward_kernel<float4, 2>
                                          : max_pool2d_backward_kernel<float4, 0>)
                             : max_pool2d_backward_kernel<float, 0>;
  const int64_t window_rows = (shape.height + size - 1) / size;
  launch(kernel, pool_grid(shape.images * window_rows, shape.channels, vector ? 4 : 1), dy.data(),
         pending, shape, dx.data());
}

}  // namespace ember::cuda
