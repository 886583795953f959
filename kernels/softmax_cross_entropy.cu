// Softmax and cross-entropy: a few kilobytes, so what counts is one launch and the CPU's accuracy.
// A warp a row (not a thread, for the thousands of classes that a row may have), in double; where
// the classes are few, the warp takes several rows at once, which lie side by side in memory.
#include "kernels/softmax_cross_entropy.h"

#include "kernels/cuda/reduction.cuh"
#include "tensor/cuda/launch.h"

namespace ember::cuda {
namespace {

constexpr int kSoftmaxThreads = 128;
constexpr int kThreads = 256;

/// Lanes (x) share out the classes of a row, as many as lanes_for says. `labels` and `losses` are
/// null for the probabilities alone. A NaN that warp_max passes over comes back with the sum.
__global__ void __launch_bounds__(kSoftmaxThreads)
    softmax_kernel(const float* logits, const int32_t* labels, int64_t rows, int64_t classes,
                   float* probabilities, float* losses) {
  const unsigned lanes = blockDim.x;
  const int64_t n = int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  const bool inside = n < rows;  // a warp's last rows may lie outside, but its lanes stay
  const float* row = logits + (inside ? n : 0) * classes;
  float lane_largest = -INFINITY;
  for (int64_t k = threadIdx.x; k < classes; k += lanes) {
    lane_largest = fmaxf(lane_largest, row[k]);
  }
  const double largest = warp_max(lane_largest, lanes);
  double lane_sum = 0;
  for (int64_t k = threadIdx.x; k < classes; k += lanes) lane_sum += exp(row[k] - largest);
  const double sum = warp_sum(lane_sum, lanes);
  if (!inside) return;
  const double share = 1.0 / sum;
  const int64_t label = labels == nullptr ? 0 : labels[n];
  for (int64_t k = threadIdx.x; k < classes; k += lanes) {
    const float logit = row[k];
    probabilities[n * classes + k] = static_cast<float>(exp(logit - largest) * share);
    if (k == label && losses != nullptr) {
      losses[n] = static_cast<float>(largest + log(sum) - logit);
    }
  }
  // Nobody else looks at labels that are on the GPU.
  const bool is_class = 0 <= label && label < classes;
  if (losses != nullptr && threadIdx.x == 0 && !is_class) losses[n] = NAN;
}

__global__ void __launch_bounds__(kThreads)
    softmax_cross_entropy_backward_kernel(const float* probabilities, const int32_t* labels,
                                          int64_t rows, int64_t classes, float* dlogits) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= rows * classes) return;
  const double target = i % classes == labels[i / classes] ? 1.0 : 0.0;
  dlogits[i] = static_cast<float>((probabilities[i] - target) / static_cast<double>(rows));
}

void launch_softmax(const Tensor& logits, const int32_t* labels, Tensor& probabilities,
                    float* losses) {
  const int64_t rows = logits.dim(0);
  const int64_t classes = logits.dim(1);
  const unsigned lanes = lanes_for(classes);
  const unsigned rows_per_block = kSoftmaxThreads / lanes;
  launch(softmax_kernel,
         {dim3(blocks_for(rows, rows_per_block)), dim3(lanes, rows_per_block), current_stream()},
         logits.data(), labels, rows, classes, probabilities.data(), losses);
}

}  // namespace

void softmax(const Tensor& logits, Tensor& probabilities) {
  launch_softmax(logits, nullptr, probabilities, nullptr);
}

void softmax_cross_entropy_forward(const Tensor& logits, const LabelTensor& labels,
                                   Tensor& probabilities, Tensor& losses) {
  launch_softmax(logits, labels.data(), probabilities, losses.data());
}

void softmax_cross_entropy_backward(const Tensor& probabilities, const LabelTensor& labels,
                                    Tensor& dlogits) {
  launch(softmax_cross_entropy_backward_kernel,
         {dim3(blocks_for(probabilities.size(), kThreads)), dim3(kThreads), current_stream()},
         probabilities.data(), labels.data(), probabilities.dim(0), probabilities.dim(1),
         dlogits.data());
}

}  // namespace ember::cuda
