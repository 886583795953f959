// The mean of each channel over an image. Bound by memory: forward reads x once, backward writes dx
// once.
//
// 1. A thread a channel adds up the pixels: few threads, each waiting for one load after the other.
// 2. Rows of threads share out the pixels of the same channels and merge their sums as a tree in
//    shared memory.
// 3. Four channels a thread; what one thread adds up is cut in stretches, so that the error stays
//    near that of a pairwise sum on large images too.
#include "kernels/global_average_pool.h"

#include "kernels/cuda/channel_grid.cuh"
#include "kernels/cuda/pending.cuh"
#include "kernels/cuda/reduction.cuh"

namespace ember::cuda {
namespace {

/// The width of a forward block in threads: a warp, so that there are rows of threads to share the
/// pixels even where the channels are many.
constexpr int kMaxWidth = 32;

template <class V>
__global__ void __launch_bounds__(kChannelThreads)
    global_average_pool_forward_kernel(const float* x, Pending pending, int64_t images,
                                       int64_t pixels, int64_t channels, float* y) {
  constexpr int64_t kStretch = 64;
  alignas(16) __shared__ float sums[kChannelThreads * kLanes<V>];
  const int64_t channel = thread_channel<V>();
  const bool has_channel = channel < channels;
  const ChannelPending<V> transform(pending, has_channel ? channel : 0);
  const unsigned width = blockDim.x * kLanes<V>;
  float* cells = sums + threadIdx.x * kLanes<V>;
  for (int64_t image = blockIdx.y; image < images; image += gridDim.y) {
    V sum = broadcast<V>(0.0f);
    if (has_channel) {
      const float* from = x + image * pixels * channels + channel;
      for (int64_t pixel = threadIdx.y; pixel < pixels;) {
        V stretch = broadcast<V>(0.0f);
        const int64_t end = min(pixels, pixel + kStretch * blockDim.y);
#pragma unroll 4
        for (; pixel < end; pixel += blockDim.y) {
          stretch = add(stretch, transform(load<V>(from + pixel * channels)));
        }
        sum = add(sum, stretch);
      }
    }
    store(cells + threadIdx.y * width, sum);
    merge_rows(sums, blockDim.y, width);
    if (has_channel && threadIdx.y == 0) {
      const auto divisor = static_cast<float>(pixels);
      store(y + image * channels + channel,
            map([=](float total) { return total / divisor; }, load<V>(cells)));
    }
    __syncthreads();
  }
}

template <class V>
__global__ void __launch_bounds__(kChannelThreads)
    global_average_pool_backward_kernel(const float* dy, int64_t images, int64_t pixels,
                                        int64_t channels, float* dx) {
  const ChannelWalk<V> walk(channels);
  if (walk.channel >= channels) return;
  const auto divisor = static_cast<float>(pixels);
  for (int64_t image = blockIdx.z; image < images; image += gridDim.z) {
    const V mean = map([=](float gradient) { return gradient / divisor; },
                       load<V>(dy + image * channels + walk.channel));
    float* to = dx + image * pixels * channels;
    for (int64_t i = walk.first; i < pixels * channels; i += walk.stride) store(to + i, mean);
  }
}

}  // namespace

void global_average_pool_forward(const Tensor& x, const Pending& pending, Tensor& y) {
  const int64_t channels = x.dim(3);
  const bool vector = fits_float4(channels, {x.data(), y.data()}) && fits_float4(pending);
  const int lanes = vector ? 4 : 1;
  const auto width =
      static_cast<unsigned>(std::min<int64_t>((channels + lanes - 1) / lanes, kMaxWidth));
  launch(vector ? global_average_pool_forward_kernel<float4>
                : global_average_pool_forward_kernel<float>,
         {dim3(blocks_for(channels, int64_t{width} * lanes), capped_blocks(x.dim(0))),
          dim3(width, kChannelThreads / width), current_stream()},
         x.data(), pending, x.dim(0), x.dim(1) * x.dim(2), channels, y.data());
}

void global_average_pool_backward(const Tensor& dy, Tensor& dx) {
  const int64_t pixels = dx.dim(1) * dx.dim(2);
  const int64_t channels = dx.dim(3);
  const bool vector = fits_float4(channels, {dy.data(), dx.data()});
  LaunchConfig config = channel_grid(pixels * channels, channels, vector ? 4 : 1);
  config.grid.z = capped_blocks(dx.dim(0));
  launch(vector ? global_average_pool_backward_kernel<float4>
                : global_average_pool_backward_kernel<float>,
         config, dy.data(), dx.dim(0), pixels, channels, dx.data());
}

}  // namespace ember::cuda
