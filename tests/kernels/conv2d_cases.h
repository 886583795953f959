#pragma once

#include <string>
#include <vector>

#include "kernels/conv2d.h"
#include "tests/kernels/reference.h"

/// The convolutions that the tests of conv2d go through, and their products one by one.
namespace ember {

struct ConvolutionCase {
  std::string name;
  Shape x;
  Shape weight;
  Window window;
};

inline const ConvolutionCase kConvolutionCases[] = {
    {"one pixel, one channel", {1, 1, 1, 1}, {1, 1, 1, 1}, {}},
    {"pointwise", {2, 5, 7, 24}, {144, 1, 1, 24}, {}},
    {"pointwise, narrow", {3, 4, 4, 35}, {17, 1, 1, 35}, {}},
    {"pointwise, one output", {2, 9, 8, 16}, {1, 1, 1, 16}, {}},
    {"pointwise, one input", {2, 9, 8, 1}, {33, 1, 1, 1}, {}},
    {"pointwise, deep", {1, 4, 4, 1100}, {40, 1, 1, 1100}, {}},
    {"3x3 valid, as the baseline's first layer", {2, 17, 33, 3}, {32, 3, 3, 3}, {}},
    {"3x3 valid, wide channels", {1, 6, 7, 32}, {64, 3, 3, 32}, {}},
    {"3x3 stride 2, TensorFlow's same", {2, 16, 16, 3}, {32, 3, 3, 3}, {2, 2, {0, 1, 0, 1}}},
    {"3x3 stride 2, PyTorch's same", {2, 9, 8, 5}, {18, 3, 3, 5}, {2, 2, Padding::all(1)}},
    {"3x3 same", {2, 5, 5, 16}, {16, 3, 3, 16}, {1, 1, Padding::all(1)}},
    {"3x3, odd channels and sides", {2, 9, 12, 35}, {19, 3, 3, 35}, {1, 1, {1, 0, 0, 2}}},
    {"3x3 on one row", {1, 3, 8, 16}, {48, 3, 3, 16}, {}},
    {"5x3, mixed strides", {2, 11, 10, 4}, {7, 5, 3, 4}, {3, 1, {2, 1, 0, 2}}},
    {"3x5, mixed strides", {1, 10, 13, 2}, {19, 3, 5, 2}, {1, 3, {0, 0, 3, 1}}},
    {"stride past the kernel", {2, 9, 9, 3}, {5, 2, 2, 3}, {3, 3, {}}},
    {"1x1, stride 2", {2, 7, 8, 6}, {20, 1, 1, 6}, {2, 2, {}}},
    {"1x1, padded", {1, 3, 3, 4}, {6, 1, 1, 4}, {1, 1, {1, 0, 0, 2}}},
    {"padding beyond the kernel", {1, 2, 2, 3}, {4, 2, 2, 3}, {2, 1, {3, 2, 4, 3}}},
    {"a kernel as large as the image", {3, 4, 5, 2}, {9, 4, 5, 2}, {}},
    {"one channel, vectors that overlap", {1, 6, 40, 1}, {3, 3, 3, 1}, {}},
    {"a photo, valid", {2, 19, 40, 3}, {32, 3, 3, 3}, {}},
    {"a photo, stride 2, TensorFlow's same", {2, 18, 68, 3}, {32, 3, 3, 3}, {2, 2, {0, 1, 0, 1}}},
    {"a photo, stride 2, PyTorch's same", {1, 17, 36, 3}, {40, 3, 3, 3}, {2, 2, Padding::all(1)}},
    {"a photo, many taps", {1, 9, 12, 3}, {8, 7, 7, 3}, {2, 2, Padding::all(3)}},
    {"a photo of two channels, mixed strides", {1, 11, 34, 2}, {4, 3, 5, 2}, {3, 1, {2, 1, 0, 2}}},
    {"a grey photo, kernel of even width", {1, 9, 8, 1}, {12, 2, 4, 1}, {1, 1, {0, 1, 2, 1}}},
    {"a photo, pointwise", {2, 3, 4, 3}, {4, 1, 1, 3}, {}},
    {"a photo, padding beyond the kernel", {1, 2, 4, 3}, {4, 2, 2, 3}, {2, 1, {3, 2, 9, 30}}},
    {"a photo whose rows are no whole vectors", {1, 9, 35, 3}, {32, 3, 3, 3}, {}},
    {"a photo, outputs that are no whole vectors", {1, 9, 36, 3}, {30, 3, 3, 3}, {}},
    {"a photo, more taps than a block has room for", {1, 24, 24, 3}, {4, 24, 24, 3}, {}},
};

/// Calls `body(y, x, w)` with the flat indices of each product of the convolution.
template <typename Body>
void for_each_product(const ConvolutionCase& c, const Body& body) {
  const Shape y = conv2d_output_shape(c.x, c.weight, c.window);
  const int64_t h = c.x[1];
  const int64_t w = c.x[2];
  const int64_t channels = c.x[3];
  const int64_t kernel_h = c.weight[1];
  const int64_t kernel_w = c.weight[2];
  for (int64_t pixel = 0; pixel < y[0] * y[1] * y[2]; ++pixel) {
    const int64_t n = pixel / (y[1] * y[2]);
    const int64_t top = pixel / y[2] % y[1] * c.window.stride_h - c.window.padding.top;
    const int64_t left = pixel % y[2] * c.window.stride_w - c.window.padding.left;
    for (int64_t tap = 0; tap < kernel_h * kernel_w; ++tap) {
      const int64_t row = top + tap / kernel_w;
      const int64_t column = left + tap % kernel_w;
      if (row < 0 || row >= h || column < 0 || column >= w) continue;
      for (int64_t o = 0; o < y[3]; ++o) {
        for (int64_t i = 0; i < channels; ++i) {
          body(static_cast<size_t>(pixel * y[3] + o),
               static_cast<size_t>(((n * h + row) * w + column) * channels + i),
               static_cast<size_t>((o * kernel_h * kernel_w + tap) * channels + i));
        }
      }
    }
  }
}

inline std::vector<double> reference_forward(const ConvolutionCase& c, const std::vector<double>& x,
                                             const std::vector<double>& weight,
                                             const std::vector<double>& bias) {
  const Shape shape = conv2d_output_shape(c.x, c.weight, c.window);
  std::vector<double> y(static_cast<size_t>(shape.size()));
  for (size_t i = 0; !bias.empty() && i < y.size(); ++i) y[i] = bias[i % bias.size()];
  for_each_product(
      c, [&](size_t at_y, size_t at_x, size_t at_w) { y[at_y] += x[at_x] * weight[at_w]; });
  return y;
}

inline Shape output_shape(const ConvolutionCase& c) {
  return conv2d_output_shape(c.x, c.weight, c.window);
}

template <typename Body>
void for_each_case(const Body& body) {
  for_each_device([&] {
    for (const ConvolutionCase& c : kConvolutionCases) {
      CAPTURE(c.name);
      body(c);
    }
  });
}

}  // namespace ember
