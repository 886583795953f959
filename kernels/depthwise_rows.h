#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>

#include "kernels/window.h"
#include "tensor/scratch.h"
#include "tensor/shape.h"

/// How the depthwise convolutions walk over their images: bands of rows, a ring of the rows that
/// the window covers, and taps. Not specific to a SIMD target.
namespace ember::cpu {

/// Sizes of one depthwise convolution.
struct DepthwiseShape {
  int64_t images, height, width, channels;
  int64_t out_height, out_width;
  int64_t kernel_h, kernel_w;
  Window window;

  DepthwiseShape(const Shape& x, const Shape& weight, const Shape& y, const Window& w)
      : images(x[0]),
        height(x[1]),
        width(x[2]),
        channels(x[3]),
        out_height(y[1]),
        out_width(y[2]),
        kernel_h(weight[0]),
        kernel_w(weight[1]),
        window(w) {}
};

/// The rows of all images, one below the other, in bands that threads share out: about 400 KB each,
/// so that a band's halo and partial sums weigh little and a few images still keep many threads
/// busy. A band is an image, or one halved or doubled until it fits: then no band straddles two
/// images, and threads get equal shares of the usual batches. Bands depend on the shape alone.
struct RowBands {
  int64_t rows;
  int64_t rows_per_band;

  RowBands(int64_t images, int64_t height, int64_t width, int64_t channels)
      : rows(images * height), rows_per_band(height) {
    const int64_t rows_wanted = std::max<int64_t>(100000 / (width * channels), 4);
    while (rows_per_band > rows_wanted) rows_per_band = (rows_per_band + 1) / 2;
    while (rows_per_band * 2 <= rows_wanted) rows_per_band *= 2;
  }
  /// A band for each image.
  RowBands(int64_t images, int64_t height) : rows(images * height), rows_per_band(height) {}
  int64_t count() const { return (rows + rows_per_band - 1) / rows_per_band; }
  int64_t first(int64_t band) const { return band * rows_per_band; }
  int64_t end(int64_t band) const { return std::min(first(band) + rows_per_band, rows); }
};

/// One product in the sum that makes a pixel: the row of inputs it slides along, and where its
/// weight stands in the (KH, KW, C) kernel.
struct Tap {
  const float* row;
  int64_t weight;
};

/// Hands taps on in batches that fit a fixed array, so that kernels can have any size: calls
/// `sweep(taps, count, first, last)`.
template <typename Sweep>
class TapBatches {
 public:
  explicit TapBatches(const Sweep& sweep) : sweep_(sweep) {}
  void add(Tap tap) {
    if (count_ == kCapacity) flush(false);
    taps_[static_cast<size_t>(count_++)] = tap;
  }
  /// Sweeps what is left; with no tap at all too, since a pixel that nothing touches is 0.
  void finish() { flush(true); }

 private:
  static constexpr int kCapacity = 49;
  void flush(bool last) {
    sweep_(taps_.data(), count_, first_, last);
    first_ = false;
    count_ = 0;
  }
  const Sweep& sweep_;
  std::array<Tap, kCapacity> taps_;
  int count_ = 0;
  bool first_ = true;
};

/// Calls `body` with the number of taps as a std::integral_constant where it is one that 3x3
/// kernels have (all nine, six at the upper and lower border, and what the phases of a strided
/// gradient leave), so that their weights or sums stay in registers; with 0 otherwise.
template <typename Body>
void with_tap_count(int count, const Body& body) {
  switch (count) {
    case 1:
      return body(std::integral_constant<int, 1>());
    case 2:
      return body(std::integral_constant<int, 2>());
    case 3:
      return body(std::integral_constant<int, 3>());
    case 4:
      return body(std::integral_constant<int, 4>());
    case 6:
      return body(std::integral_constant<int, 6>());
    case 9:
      return body(std::integral_constant<int, 9>());
    default:
      return body(std::integral_constant<int, 0>());
  }
}

/// The latest rows of one image after their pending transform, between columns of zeros. Rows are
/// asked for in ascending order, within a distance of `slots` of the highest so far.
class RowRing {
 public:
  RowRing(Scratch purpose, int64_t slots, int64_t left, int64_t width, int64_t right,
          int64_t channels)
      : data_(scratch(purpose, slots * (left + width + right) * channels)),
        slots_(slots),
        stride_((left + width + right) * channels),
        left_(left * channels) {
    for (int64_t slot = 0; slot < slots; ++slot) {
      std::fill_n(data_ + slot * stride_, left_, 0.0f);
      std::fill_n(data_ + slot * stride_ + left_ + width * channels, right * channels, 0.0f);
    }
  }

  /// Begins another image.
  void reset() { end_ = 0; }

  /// Column `-left` of row `row`; `load(row, to)` writes its `width` columns unless it stands here.
  template <typename Load>
  const float* row(int64_t row, const Load& load) {
    float* slot = data_ + row % slots_ * stride_;
    if (row >= end_) {
      load(row, slot + left_);
      end_ = row + 1;
    }
    return slot;
  }

 private:
  float* data_;
  int64_t slots_;
  int64_t stride_;
  int64_t left_;
  int64_t end_ = 0;
};

}  // namespace ember::cpu
