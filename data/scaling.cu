// A batch of photos that stay on the GPU as bytes, scaled to floats. Bound by memory where a GPU
// has enough arithmetic in double (sm_80, 90, 100): 4 bytes are written for each one that is read.
//
// 1. The CPU's values, (pixel / divisor - mean) / std in double: two divisions a byte, which take
//    far longer than the memory.
// 2. A table of the 3 x 256 values in shared memory: neighbouring bytes meet in its banks.
// 3. One multiply-add in double, which rounds to the same floats for every byte of every scale.
// 4. Four bytes in and 16 out a thread.
#include "data/scaling.h"

#include <array>

#include "tensor/cuda/launch.h"
#include "tensor/cuda/vector.cuh"

namespace ember::cuda {
namespace {

constexpr int kChannels = 3;
constexpr int kThreads = 256;

/// pixel * factor + offset
struct DoubleScaling {
  std::array<double, kChannels> factor;
  std::array<double, kChannels> offset;

  explicit DoubleScaling(const ExactScaling& exact) {
    for (int c = 0; c < kChannels; ++c) {
      factor[c] = 1.0 / (exact.divisor * exact.std[c]);
      offset[c] = -exact.mean[c] / exact.std[c];
    }
  }
  __device__ float apply(uint8_t pixel, int channel) const {
    return static_cast<float>(
        fma(static_cast<double>(pixel), select(factor, channel), select(offset, channel)));
  }

 private:
  // A computed index would put the array into local memory.
  __device__ static double select(const std::array<double, kChannels>& values, int channel) {
    return channel == 0 ? values[0] : channel == 1 ? values[1] : values[2];
  }
};

/// Blocks are numbered image by image, `blocks_per_image` each; `size` bytes an image.
template <class V>
__global__ void __launch_bounds__(kThreads)
    scale_batch_kernel(const uint8_t* photos, const int32_t* photo_of, DoubleScaling scaling,
                       int64_t size, unsigned blocks_per_image, float* images) {
  const int64_t image = blockIdx.x / blocks_per_image;
  const int64_t i = (int64_t{blockIdx.x % blocks_per_image} * kThreads + threadIdx.x) * kLanes<V>;
  if (i >= size) return;
  const auto pixels = __ldg(reinterpret_cast<const Bytes<V>*>(photos + photo_of[image] * size + i));
  float* to = images + image * size + i;
  const int channel = static_cast<int>(i % kChannels);
  if constexpr (kLanes<V> == 1) {
    *to = scaling.apply(pixels, channel);
  } else {
    const int next = (channel + 1) % kChannels;
    store(to, make_float4(scaling.apply(pixels.x, channel), scaling.apply(pixels.y, next),
                          scaling.apply(pixels.z, (channel + 2) % kChannels),
                          scaling.apply(pixels.w, channel)));
  }
}

}  // namespace

void scale_batch(const ByteTensor& photos, const IndexTensor& photo_of, Scale scale,
                 Tensor& images) {
  const int64_t size = photos.dim(1) * photos.dim(2) * kChannels;
  const bool vector = fits_float4(size, {photos.data(), images.data()});
  const unsigned blocks_per_image = blocks_for(size, int64_t{vector ? 4 : 1} * kThreads);
  launch(vector ? scale_batch_kernel<float4> : scale_batch_kernel<float>,
         {dim3(blocks_for(images.dim(0) * blocks_per_image, 1)), dim3(kThreads), current_stream()},
         photos.data(), photo_of.data(), DoubleScaling(exact_scaling_of(scale)), size,
         blocks_per_image, images.data());
}

}  // namespace ember::cuda
