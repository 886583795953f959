#include <cuda_runtime.h>

#include "kernels/naive/naive.h"
#include "tensor/cuda/launch.h"

namespace ember::cuda::naive {
namespace {

/// A thread a channel, which goes down all rows three times: for the mean, for the variance, and to
/// write y. There are few channels, so most of the GPU has nothing to do.
__global__ void batch_norm_forward_kernel(const float* x, const float* gamma, const float* beta,
                                          float epsilon, int64_t rows, int64_t channels, float* y) {
  const int64_t c = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  double mean = 0;
  for (int64_t row = 0; row < rows; ++row) mean += x[row * channels + c];
  mean /= static_cast<double>(rows);
  double variance = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const double difference = x[row * channels + c] - mean;
    variance += difference * difference;
  }
  variance /= static_cast<double>(rows);
  const double scale = gamma[c] / sqrt(variance + epsilon);
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t i = row * channels + c;
    y[i] = static_cast<float>((x[i] - mean) * scale + beta[c]);
  }
}

}  // namespace

void batch_norm_forward(const Tensor& x, const Tensor& gamma, const Tensor& beta, float epsilon,
                        Tensor& y) {
  constexpr int kThreads = 64;
  const int64_t channels = x.dim(-1);
  launch(batch_norm_forward_kernel, {blocks_for(channels, kThreads), kThreads, current_stream()},
         x.data(), gamma.data(), beta.data(), epsilon, x.size() / channels, channels, y.data());
}

}  // namespace ember::cuda::naive
