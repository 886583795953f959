// What a batch adds to an epoch's loss and accuracy: some hundred bytes, which one warp reads,
// several rows at once where the classes are few.
#include "kernels/batch_totals.h"

#include "kernels/cuda/reduction.cuh"
#include "tensor/cuda/launch.h"

namespace ember::cuda {
namespace {

/// A number that is largest for the largest probability, and for the lowest class among equals.
/// Floats that are not negative are in the order of their bits.
__device__ uint64_t rank(float probability, unsigned class_index) {
  return uint64_t{__float_as_uint(probability)} << 32 | ~class_index;
}

/// Lanes (x) share out the classes of a row, as many as lanes_for says.
__global__ void __launch_bounds__(kWarpSize)
    batch_totals_kernel(const float* probabilities, const float* losses, const int32_t* labels,
                        int64_t rows, unsigned classes, BatchTotals* totals) {
  const unsigned lanes = blockDim.x;
  double loss = 0;
  int correct = 0;
  for (int64_t first = 0; first < rows; first += blockDim.y) {
    const int64_t n = first + threadIdx.y;
    uint64_t best = 0;
    for (unsigned k = threadIdx.x; n < rows && k < classes; k += lanes) {
      best = max(best, rank(probabilities[n * classes + k], k));
    }
    best = warp_max(best, lanes);
    if (n < rows && threadIdx.x == 0) {
      loss += losses[n];
      correct += static_cast<int32_t>(~static_cast<unsigned>(best)) == labels[n];
    }
  }
  loss = warp_sum(loss);
  correct = warp_sum(correct);
  if (thread_in_block() == 0) *totals = {loss, correct};
}

}  // namespace

void batch_totals(const Tensor& probabilities, const Tensor& losses, const LabelTensor& labels,
                  TensorOf<BatchTotals>& totals) {
  const int64_t classes = probabilities.dim(1);
  const unsigned lanes = lanes_for(classes);
  launch(batch_totals_kernel, {dim3(1), dim3(lanes, kWarpSize / lanes), current_stream()},
         probabilities.data(), losses.data(), labels.data(), probabilities.dim(0),
         static_cast<unsigned>(classes), totals.data());
}

}  // namespace ember::cuda
