#include <cuda_runtime.h>

#include "kernels/depthwise_rows.h"
#include "kernels/naive/naive.h"
#include "tensor/cuda/launch.h"

namespace ember::cuda::naive {
namespace {

/// A thread an element of y, neighbouring threads in neighbouring channels. What the windows of
/// different threads share, each reads for itself.
__global__ void depthwise_conv2d_forward_kernel(const float* x, const float* weight,
                                                cpu::DepthwiseShape s, float* y) {
  const int64_t index = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (index >= s.images * s.out_height * s.out_width * s.channels) return;
  const int64_t c = index % s.channels;
  const int64_t ow = index / s.channels % s.out_width;
  const int64_t oh = index / s.channels / s.out_width % s.out_height;
  const int64_t n = index / s.channels / s.out_width / s.out_height;
  float sum = 0;
  for (int64_t kh = 0; kh < s.kernel_h; ++kh) {
    const int64_t h = oh * s.window.stride_h + kh - s.window.padding.top;
    if (h < 0 || h >= s.height) continue;
    for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
      const int64_t w = ow * s.window.stride_w + kw - s.window.padding.left;
      if (w < 0 || w >= s.width) continue;
      sum = fmaf(x[((n * s.height + h) * s.width + w) * s.channels + c],
                 weight[(kh * s.kernel_w + kw) * s.channels + c], sum);
    }
  }
  y[index] = sum;
}

}  // namespace

void depthwise_conv2d_forward(const Tensor& x, const Tensor& weight, const Window& window,
                              Tensor& y) {
  constexpr int kThreads = 256;
  launch(depthwise_conv2d_forward_kernel,
         {blocks_for(y.size(), kThreads), kThreads, current_stream()}, x.data(), weight.data(),
         cpu::DepthwiseShape(x.shape(), weight.shape(), y.shape(), window), y.data());
}

}  // namespace ember::cuda::naive
