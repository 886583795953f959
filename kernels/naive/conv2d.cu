#include <cuda_runtime.h>

#include "kernels/naive/naive.h"
#include "kernels/simd/convolution.h"
#include "tensor/cuda/launch.h"

namespace ember::cuda::naive {
namespace {

/// A thread an element of y, neighbouring threads in neighbouring outputs: a warp reads the same
/// pixel of x, and weights that lie a whole kernel apart.
__global__ void conv2d_forward_kernel(const float* x, const float* weight, const float* bias,
                                      cpu::Convolution conv, float* y) {
  const int64_t index = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (index >= conv.images * conv.out_h * conv.out_w * conv.outputs) return;
  const int64_t o = index % conv.outputs;
  const int64_t ow = index / conv.outputs % conv.out_w;
  const int64_t oh = index / conv.outputs / conv.out_w % conv.out_h;
  const int64_t n = index / conv.outputs / conv.out_w / conv.out_h;
  float sum = bias == nullptr ? 0.0f : bias[o];
  for (int64_t kh = 0; kh < conv.kernel_h; ++kh) {
    const int64_t h = oh * conv.window.stride_h + kh - conv.window.padding.top;
    if (h < 0 || h >= conv.height) continue;
    for (int64_t kw = 0; kw < conv.kernel_w; ++kw) {
      const int64_t w = ow * conv.window.stride_w + kw - conv.window.padding.left;
      if (w < 0 || w >= conv.width) continue;
      const float* pixel = x + ((n * conv.height + h) * conv.width + w) * conv.channels;
      const float* tap = weight + ((o * conv.kernel_h + kh) * conv.kernel_w + kw) * conv.channels;
      for (int64_t i = 0; i < conv.channels; ++i) sum = fmaf(pixel[i], tap[i], sum);
    }
  }
  y[index] = sum;
}

}  // namespace

void conv2d_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Window& window,
                    Tensor& y) {
  constexpr int kThreads = 256;
  launch(conv2d_forward_kernel, {blocks_for(y.size(), kThreads), kThreads, current_stream()},
         x.data(), weight.data(), bias.data(),
         cpu::convolution_of(x.shape(), weight.shape(), window), y.data());
}

}  // namespace ember::cuda::naive
