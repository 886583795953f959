#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/conv2d.h"
#include "kernels/window.h"
#include "tensor/shape.h"

namespace ember::cpu {

/// The sizes of one convolution, or of the stride-1 convolution that its dgrad is: a kernel of
/// `kernel_h` x `kernel_w` x `channels` slides over images and gives `outputs` values a position.
struct Convolution {
  int64_t images;
  int64_t height;  ///< of x, without padding
  int64_t width;
  int64_t channels;
  int64_t kernel_h;
  int64_t kernel_w;
  int64_t out_h;
  int64_t out_w;
  int64_t outputs;
  Window window;

  bool padded() const {
    const Padding& p = window.padding;
    return p.top != 0 || p.bottom != 0 || p.left != 0 || p.right != 0;
  }
  /// A matrix product over the pixels of all images.
  bool pointwise() const {
    return kernel_h == 1 && kernel_w == 1 && window.stride_h == 1 && window.stride_w == 1 &&
           !padded();
  }
  int64_t pixels() const { return images * out_h * out_w; }
  int64_t kernel_row() const { return kernel_w * channels; }
  int64_t kernel_size() const { return kernel_h * kernel_row(); }
  /// Rows and columns of the padded image that `rows` output rows see.
  int64_t seen_rows(int64_t rows) const { return (rows - 1) * window.stride_h + kernel_h; }
  int64_t seen_columns() const { return (out_w - 1) * window.stride_w + kernel_w; }
};

/// The convolution of x (N, H, W, I) with weight (O, KH, KW, I). A pointwise one counts the rows of
/// all images as those of one.
inline Convolution convolution_of(const Shape& x, const Shape& weight, const Window& window) {
  const Shape y = conv2d_output_shape(x, weight, window);
  Convolution conv{.images = x[0],
                   .height = x[1],
                   .width = x[2],
                   .channels = x[3],
                   .kernel_h = weight[1],
                   .kernel_w = weight[2],
                   .out_h = y[1],
                   .out_w = y[2],
                   .outputs = weight[0],
                   .window = window};
  if (conv.pointwise()) {
    conv.height = conv.out_h = x[0] * x[1];
    conv.images = 1;
  }
  return conv;
}

/// Part `index` of [0, count) cut into `parts` nearly equal runs.
struct Run {
  int64_t begin;
  int64_t end;
  constexpr int64_t length() const { return end - begin; }
};
constexpr Run part_of(int64_t count, int64_t parts, int64_t index) {
  return {count * index / parts, count * (index + 1) / parts};
}

}  // namespace ember::cpu
