// A dense layer is a 1x1 convolution over images of one pixel. Its ladder:
//   1. a thread an output: at a batch of 32 some 4000 threads, each reading 57600 weights
//   2. the tiled product of gemm.cuh: each weight is read once for the whole batch. What counts is
//      how many bytes are under way, and 32 rows are one row of tiles
//   3. forward: small tiles, whose depth is split over enough blocks to keep the whole memory
//      busy; dgrad and wgrad have tiles enough, as many as there are inputs
// All of it stands in conv2d.cu and conv2d_wgrad.cu, which choose tiles and splits by the sizes.
#include "kernels/dense.h"

#include "kernels/conv2d.h"

namespace ember::cuda {
namespace {

/// (N, C) as N images of one pixel, or as weights of one tap.
Tensor as_pixels(const Tensor& matrix) {
  return matrix.reshape({matrix.dim(0), 1, 1, matrix.dim(1)});
}

}  // namespace

void dense_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                   const Tensor& bias, Tensor& y) {
  Tensor pixels = as_pixels(y);
  cuda::conv2d_forward(as_pixels(x), pending, as_pixels(weight), bias, {}, pixels, {});
}

void dense_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                 Tensor& dx) {
  Tensor pixels = as_pixels(dx);
  cuda::conv2d_dgrad(as_pixels(dz), pending, as_pixels(weight), {}, false, pixels, nullptr);
}

void dense_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                 const PendingGradient& dz_pending, Tensor& dweight, Tensor& dbias) {
  Tensor weights = as_pixels(dweight);
  cuda::conv2d_wgrad(as_pixels(x), x_pending, as_pixels(dz), dz_pending, {}, weights, dbias);
}

}  // namespace ember::cuda
