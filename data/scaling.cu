// A batch of photos that stay on the GPU as bytes, scaled to floats. Bound by memory: 4 bytes are
// written for each one that is read.
//
// 1. Each value computed in double, as the CPU's table is: two double divisions a byte, far more
//    than the memory would let wait.
// 2. A block makes the table of the 3 x 256 values in shared memory, then looks up.
// 3. Four bytes in and 16 out a thread.
#include "data/scaling.h"

#include <algorithm>
#include <type_traits>

#include "kernels/cuda/vector.cuh"
#include "tensor/cuda/launch.h"

namespace ember::cuda {
namespace {

constexpr int kChannels = 3;
constexpr int kThreads = 256;
constexpr int kLevels = 256;
constexpr int kValuesPerThread = 8;  ///< V's; enough to make a table worth its while

/// The bytes that belong to a V.
template <class V>
using Pixels = std::conditional_t<kLanes<V> == 1, uint8_t, uchar4>;

/// Blocks are numbered image by image, `blocks_per_image` each; `size` bytes an image.
template <class V>
__global__ void __launch_bounds__(kThreads)
    scale_batch_kernel(const uint8_t* photos, const int32_t* photo_of, ExactScaling scaling,
                       int64_t size, unsigned blocks_per_image, float* images) {
  __shared__ float table[kChannels * kLevels];
#pragma unroll
  for (int channel = 0; channel < kChannels; ++channel) {
    table[channel * kLevels + threadIdx.x] =
        static_cast<float>(scaling.apply(static_cast<double>(threadIdx.x), channel));
  }
  __syncthreads();
  const int64_t image = blockIdx.x / blocks_per_image;
  const uint8_t* photo = photos + photo_of[image] * size;
  const int64_t stride = int64_t{blocks_per_image} * kThreads * kLanes<V>;
  const int64_t first =
      (int64_t{blockIdx.x % blocks_per_image} * kThreads + threadIdx.x) * kLanes<V>;
  for (int64_t i = first; i < size; i += stride) {
    const auto pixels = __ldg(reinterpret_cast<const Pixels<V>*>(photo + i));
    const int channel = static_cast<int>(i % kChannels);
    const int next = channel == 2 ? 0 : channel + 1;
    const int last = next == 2 ? 0 : next + 1;
    if constexpr (kLanes<V> == 1) {
      images[image * size + i] = table[channel * kLevels + pixels];
    } else {
      store(images + image * size + i,
            make_float4(table[channel * kLevels + pixels.x], table[next * kLevels + pixels.y],
                        table[last * kLevels + pixels.z], table[channel * kLevels + pixels.w]));
    }
  }
}

}  // namespace

void scale_batch(const ByteTensor& photos, const IndexTensor& photo_of, Scale scale,
                 Tensor& images) {
  static_assert(kThreads == kLevels, "a thread makes one level of each channel");
  const int64_t size = photos.dim(1) * photos.dim(2) * kChannels;
  const bool vector = fits_float4(size, {photos.data(), images.data()});
  const unsigned blocks_per_image =
      blocks_for(size, int64_t{vector ? 4 : 1} * kThreads * kValuesPerThread);
  launch(vector ? scale_batch_kernel<float4> : scale_batch_kernel<float>,
         {dim3(blocks_for(images.dim(0) * blocks_per_image, 1)), dim3(kThreads), current_stream()},
         photos.data(), photo_of.data(), exact_scaling_of(scale), size, blocks_per_image,
         images.data());
}

}  // namespace ember::cuda
