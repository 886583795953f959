#pragma once

#include <cstdint>

#include "data/scaling.h"
#include "tensor/tensor.h"

namespace ember {

/// Where an output pixel comes from: input (row, column) = (row_row r + row_column c + row_offset,
/// column_row r + column_column c + column_offset). Fixed-point numbers with 32 fraction bits: sums
/// are exact, so coordinates are the same on every device and for every order of evaluation.
struct PixelMap {
  int64_t row_row;
  int64_t row_column;
  int64_t row_offset;
  int64_t column_row;
  int64_t column_column;
  int64_t column_offset;
};

/// output(r, c) = scaling(min(brightness * image at map(r, c), 255)), bilinear, coordinates clamped
/// to the image. `image` is RGB (height, width, 3), `output` (height, width, 3) floats.
void warp(const uint8_t* image, int64_t height, int64_t width, const PixelMap& map,
          float brightness, const Scaling& scaling, float* output);

/// A batch: image n of `images` is photo `photo_of[n]` of `photos`, warped by `maps[n]` and
/// `brightness[n]`. photos (P, height, width, 3), photo_of, maps and brightness (N), images (N,
/// height, width, 3), all on one device.
void warp_batch(const ByteTensor& photos, const IndexTensor& photo_of,
                const TensorOf<PixelMap>& maps, const Tensor& brightness, const Scaling& scaling,
                Tensor& images);

namespace cpu {
void warp_batch(const ByteTensor& photos, const IndexTensor& photo_of,
                const TensorOf<PixelMap>& maps, const Tensor& brightness, const Scaling& scaling,
                Tensor& images);
}  // namespace cpu

namespace cuda {
void warp_batch(const ByteTensor& photos, const IndexTensor& photo_of,
                const TensorOf<PixelMap>& maps, const Tensor& brightness, const Scaling& scaling,
                Tensor& images);
}  // namespace cuda

}  // namespace ember
