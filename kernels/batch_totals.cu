// What a batch adds to an epoch's loss and accuracy: some hundred bytes, which one warp reads, a
// lane a row.
#include "kernels/batch_totals.h"

#include "kernels/cuda/reduction.cuh"
#include "tensor/cuda/launch.h"

namespace ember::cuda {
namespace {

__global__ void __launch_bounds__(kWarpSize)
    batch_totals_kernel(const float* probabilities, const float* losses, const int32_t* labels,
                        int64_t rows, int64_t classes, BatchTotals* totals) {
  double loss = 0;
  int correct = 0;
  for (int64_t n = threadIdx.x; n < rows; n += kWarpSize) {
    const float* p = probabilities + n * classes;
    int64_t best = 0;
    for (int64_t k = 1; k < classes; ++k) best = p[k] > p[best] ? k : best;
    loss += losses[n];
    correct += best == labels[n];
  }
  loss = warp_sum(loss);
  correct = warp_sum(correct);
  if (threadIdx.x == 0) *totals = {loss, correct};
}

}  // namespace

void batch_totals(const Tensor& probabilities, const Tensor& losses, const LabelTensor& labels,
                  TensorOf<BatchTotals>& totals) {
  launch(batch_totals_kernel, {dim3(1), dim3(kWarpSize), current_stream()}, probabilities.data(),
         losses.data(), labels.data(), probabilities.dim(0), probabilities.dim(1), totals.data());
}

}  // namespace ember::cuda
