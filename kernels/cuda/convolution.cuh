#pragma once

#include <limits>

#include "kernels/cuda/divider.cuh"
#include "kernels/cuda/operand.cuh"
#include "kernels/simd/convolution.h"
#include "tensor/error.h"

/// The layouts that make a convolution a matrix product (kernels/conv2d.h has the formula). None of
/// the matrices exists in memory.
namespace ember::cuda {

using cpu::Convolution;

/// cpu::convolution_of where an int can count its pixels and taps, padding included.
inline Convolution convolution_of(const Shape& x, const Shape& weight, const Window& window) {
  constexpr int64_t kMost = std::numeric_limits<int>::max() / 2;
  const Convolution conv = cpu::convolution_of(x, weight, window);
  EMBER_REQUIRE(conv.pixels() <= kMost && conv.images * conv.height * conv.width <= kMost &&
                    conv.kernel_size() <= kMost,
                "convolution of {} with {}: more than {} pixels or taps", to_string(x),
                to_string(weight), kMost);
  return conv;
}

/// A row or tap that takes every pixel out of the image.
constexpr int kNowhere = -(1 << 30);

/// A pixel of an image: the one that a row of the matrices stands for, or the corner it sees.
struct ImagePixel {
  int image;
  int h;
  int w;
};

/// What a column stands for: a tap and a channel.
struct TapChannel {
  int kh;
  int kw;
  int channel;
};

/// Column j where each tap has `channels` columns; tap `beyond` behind the last one.
__device__ __forceinline__ TapChannel tap_channel(int j, int taps, const Divider& channels,
                                                  const Divider& kernel_w, int beyond) {
  const int tap = channels.quotient(j);
  if (tap >= taps) return {beyond, 0, 0};
  const int kh = kernel_w.quotient(tap);
  return {kh, tap - kh * kernel_w.divisor(), j - tap * channels.divisor()};
}

/// The matrix (output pixels, KH * KW * I) of what each output pixel sees of x.
struct PatchLayout {
  int pixels;
  int taps;
  int height;
  int width;
  int stride_h;
  int stride_w;
  int top;
  int left;
  Divider out_h;
  Divider out_w;
  Divider kernel_w;
  Divider channels;

  explicit PatchLayout(const Convolution& conv)
      : pixels(static_cast<int>(conv.pixels())),
        taps(static_cast<int>(conv.kernel_h * conv.kernel_w)),
        height(static_cast<int>(conv.height)),
        width(static_cast<int>(conv.width)),
        stride_h(conv.window.stride_h),
        stride_w(conv.window.stride_w),
        top(conv.window.padding.top),
        left(conv.window.padding.left),
        out_h(conv.out_h),
        out_w(conv.out_w),
        kernel_w(conv.kernel_w),
        channels(conv.channels) {}

  using Row = ImagePixel;  ///< the patch's upper left corner
  using Column = TapChannel;

  __device__ Row row(int pixel) const {
    if (pixel >= pixels) return {0, kNowhere, 0};
    const int line = out_w.quotient(pixel);
    const int image = out_h.quotient(line);
    return {image, (line - image * out_h.divisor()) * stride_h - top,
            (pixel - line * out_w.divisor()) * stride_w - left};
  }
  __device__ Column column(int j) const {
    return tap_channel(j, taps, channels, kernel_w, kNowhere);
  }
  __device__ int64_t offset(const Row& row, const Column& column) const {
    const int h = row.h + column.kh;
    const int w = row.w + column.kw;
    if (h < 0 || h >= height || w < 0 || w >= width) return kAbsent;
    return ((int64_t{row.image} * height + h) * width + w) * channels.divisor() + column.channel;
  }
  template <class V>
  __device__ static V absent(const Column&) {
    return broadcast<V>(0.0f);
  }
};

/// The matrix (input pixels, KH * KW * O) of the outputs that each input pixel has had a part in,
/// tap by tap.
struct SpreadLayout {
  int pixels;
  int taps;
  int out_h;
  int out_w;
  int top;
  int left;
  Divider stride_h;
  Divider stride_w;
  Divider height;
  Divider width;
  Divider kernel_w;
  Divider outputs;

  explicit SpreadLayout(const Convolution& conv)
      : pixels(static_cast<int>(conv.images * conv.height * conv.width)),
        taps(static_cast<int>(conv.kernel_h * conv.kernel_w)),
        out_h(static_cast<int>(conv.out_h)),
        out_w(static_cast<int>(conv.out_w)),
        top(conv.window.padding.top),
        left(conv.window.padding.left),
        stride_h(conv.window.stride_h),
        stride_w(conv.window.stride_w),
        height(conv.height),
        width(conv.width),
        kernel_w(conv.kernel_w),
        outputs(conv.outputs) {}

  using Row = ImagePixel;  ///< in the padded image
  using Column = TapChannel;

  __device__ Row row(int pixel) const {
    if (pixel >= pixels) return {0, kNowhere, 0};
    const int line = width.quotient(pixel);
    const int image = height.quotient(line);
    return {image, line - image * height.divisor() + top, pixel - line * width.divisor() + left};
  }
  __device__ Column column(int j) const {
    return tap_channel(j, taps, outputs, kernel_w, -kNowhere);
  }
  __device__ int64_t offset(const Row& row, const Column& column) const {
    const int h = row.h - column.kh;
    const int w = row.w - column.kw;
    if (h < 0 || w < 0) return kAbsent;
    const int oh = stride_h.quotient(h);
    const int ow = stride_w.quotient(w);
    if (oh * stride_h.divisor() != h || ow * stride_w.divisor() != w || oh >= out_h ||
        ow >= out_w) {
      return kAbsent;
    }
    return ((int64_t{row.image} * out_h + oh) * out_w + ow) * outputs.divisor() + column.channel;
  }
  template <class V>
  __device__ static V absent(const Column&) {
    return broadcast<V>(0.0f);
  }
};

/// The matrix (KH * KW * O, I) of weights (O, KH, KW, I) that meets SpreadLayout.
struct TapLayout {
  int taps;
  int channels;
  Divider outputs;

  explicit TapLayout(const Convolution& conv)
      : taps(static_cast<int>(conv.kernel_h * conv.kernel_w)),
        channels(static_cast<int>(conv.channels)),
        outputs(conv.outputs) {}

  using Row = int64_t;
  using Column = MatrixLayout::Column;

  __device__ Row row(int i) const {
    const int tap = outputs.quotient(i);
    if (tap >= taps) return kAbsent;
    return (int64_t{i - tap * outputs.divisor()} * taps + tap) * channels;
  }
  __device__ Column column(int j) const {
    if (j < channels) return {j, j};
    return {kAbsent, 0};
  }
  __device__ static int64_t offset(Row row, Column column) { return row + column.offset; }
  template <class V>
  __device__ static V absent(Column) {
    return broadcast<V>(0.0f);
  }
};

}  // namespace ember::cuda
