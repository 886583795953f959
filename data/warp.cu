// Augmentation of a batch from photos that stay on the GPU as bytes. Bound by memory: 12 bytes are
// written for each 3 that are read.
//
// 1. A thread a pixel, which reads the four pixels around its place (neighbouring threads share
//    them in the caches) and writes its three floats: every store of a warp touches 12 sectors for
//    the 4 that it fills.
// 2. The block collects its pixels in shared memory, where steps of three words meet no bank twice,
//    and writes them in one run, 16 bytes a thread.
#include "data/warp.h"

#include "tensor/cuda/launch.h"
#include "tensor/cuda/vector.cuh"

namespace ember::cuda {
namespace {

constexpr int kChannels = 3;
constexpr int kPixels = 256;  ///< of a block, one a thread

/// The neighbours of a coordinate along one axis, clamped to [0, last], and the weight of the
/// second; as in data/warp.cpp.
struct Neighbours {
  int low;
  int high;
  float weight;

  __device__ Neighbours(int64_t coordinate, int last) {
    const auto whole = static_cast<int32_t>(coordinate >> 32);
    const auto fraction = static_cast<uint32_t>(coordinate) >> 8;
    low = min(max(whole, 0), last);
    high = min(low + 1, last);
    weight = whole < 0 ? 0.0f : static_cast<float>(fraction) * 0x1p-24f;
  }
};

__device__ float mix(float a, float b, float weight) { return fmaf(weight, b - a, a); }

/// Blocks are numbered image by image, `blocks_per_image` each.
template <class V>
__global__ void __launch_bounds__(kPixels)
    warp_batch_kernel(const uint8_t* photos, const int32_t* photo_of, const PixelMap* maps,
                      const float* brightness, Scaling scaling, int height, int width,
                      unsigned blocks_per_image, float* images) {
  alignas(16) __shared__ float tile[kPixels * kChannels];
  const int pixels = height * width;
  const int64_t image = blockIdx.x / blocks_per_image;
  const int first = static_cast<int>(blockIdx.x % blocks_per_image) * kPixels;
  const int pixel = first + static_cast<int>(threadIdx.x);
  if (pixel < pixels) {
    const int r = pixel / width;
    const int c = pixel % width;
    const PixelMap map = maps[image];
    const Neighbours row(map.row_offset + r * map.row_row + c * map.row_column, height - 1);
    const Neighbours column(map.column_offset + r * map.column_row + c * map.column_column,
                            width - 1);
    const uint8_t* photo = photos + int64_t{photo_of[image]} * pixels * kChannels;
    const uint8_t* top = photo + row.low * width * kChannels;
    const uint8_t* bottom = photo + row.high * width * kChannels;
    const int left = column.low * kChannels;
    const int right = column.high * kChannels;
#pragma unroll
    for (int channel = 0; channel < kChannels; ++channel) {
      const auto at = [channel](const uint8_t* line, int place) {
        return static_cast<float>(__ldg(line + place + channel));
      };
      const float value = mix(mix(at(top, left), at(top, right), column.weight),
                              mix(at(bottom, left), at(bottom, right), column.weight), row.weight);
      tile[threadIdx.x * kChannels + channel] =
          fmaf(fminf(value * brightness[image], 255.0f), scaling.factor[channel],
               scaling.offset[channel]);
    }
  }
  __syncthreads();
  const int count = min(kPixels, pixels - first) * kChannels;
  float* to = images + (image * pixels + first) * kChannels;
  for (int i = static_cast<int>(threadIdx.x) * kLanes<V>; i < count; i += kPixels * kLanes<V>) {
    store(to + i, load<V>(tile + i));
  }
}

}  // namespace

void warp_batch(const ByteTensor& photos, const IndexTensor& photo_of,
                const TensorOf<PixelMap>& maps, const Tensor& brightness, const Scaling& scaling,
                Tensor& images) {
  const int64_t height = photos.dim(1);
  const int64_t width = photos.dim(2);
  const unsigned blocks_per_image = blocks_for(height * width, kPixels);
  const bool vector = fits_float4(height * width, {images.data()});
  launch(vector ? warp_batch_kernel<float4> : warp_batch_kernel<float>,
         {dim3(blocks_for(images.dim(0) * blocks_per_image, 1)), dim3(kPixels), current_stream()},
         photos.data(), photo_of.data(), maps.data(), brightness.data(), scaling, height, width,
         blocks_per_image, images.data());
}

}  // namespace ember::cuda
