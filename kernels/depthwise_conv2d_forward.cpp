#include "kernels/depthwise_conv2d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_conv2d_forward.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <type_traits>

#include "kernels/depthwise_rows.h"
#include "kernels/simd/convolution.h"
#include "kernels/simd/gemm-inl.h"
#include "kernels/simd/moments-inl.h"
#include "kernels/simd/pending-inl.h"
#include "tensor/parallel.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

/// The taps of a row's pixels, and what is done with a finished pixel.
struct ConvolvedRow {
  const Tap* taps;
  int count;
  const float* weight;
  int64_t channels;
  int64_t pixels;
  int64_t in_step;
  int64_t out_step;
  const float* bias;  ///< of each channel, or null
  float lower;
  float upper;
  bool accumulate;  ///< to what other taps have left in `out`
  float* out;
};

/// The first `lanes` channels of convolve_row from `channel` on.
template <int kTaps, class D>
HWY_INLINE void convolve_vector(D d, const ConvolvedRow& row, int64_t channel, size_t lanes) {
  constexpr size_t kHeld = std::max(kTaps, 1);
  hn::Vec<D> weights[kHeld];
  const float* rows[kHeld];
  unrolled<kTaps>([&](auto t) __attribute__((always_inline)) {
    weights[t] = load_n(d, row.weight + row.taps[t].weight + channel, lanes);
    rows[t] = row.taps[t].row + channel;
  });
  const auto bias = row.bias == nullptr ? hn::Zero(d) : load_n(d, row.bias + channel, lanes);
  const auto lower = hn::Set(d, row.lower);
  const auto upper = hn::Set(d, row.upper);
  const int64_t in_step = row.in_step;
  const int64_t out_step = row.out_step;
  float* out = row.out + channel;
  int64_t at = 0;
  for (int64_t left = row.pixels; left > 0; --left, at += in_step, out += out_step) {
    auto sum = bias;
    if constexpr (kTaps > 0) {
      unrolled<kTaps>([&](auto t) __attribute__((always_inline)) {
        sum = hn::MulAdd(load_n(d, rows[t] + at, lanes), weights[t], sum);
      });
    } else {
      if (row.accumulate) sum = load_n(d, out, lanes);
      for (int t = 0; t < row.count; ++t) {
        const Tap& tap = row.taps[t];
        sum = hn::MulAdd(load_n(d, tap.row + at + channel, lanes),
                         load_n(d, row.weight + tap.weight + channel, lanes), sum);
      }
    }
    store_n(hn::Min(upper, hn::Max(lower, sum)), d, out, lanes);
  }
}

/// out[p * out_step + c] = clip(bias[c] + sum over taps of tap[p * in_step + c] * weight[tap + c])
/// for the row's pixels p. Goes along the row with the weights of one vector of channels in
/// registers.
inline void convolve_row(const ConvolvedRow& row) {
  const hn::ScalableTag<float> d;
  with_tap_count(row.accumulate ? 0 : row.count, [&](auto taps_held) {
    for_each_vector(d, row.channels, [&](int64_t c, size_t lanes) {
      if (lanes == hn::Lanes(d)) {
        convolve_vector<taps_held>(d, row, c, hn::Lanes(d));
      } else {
        convolve_vector<taps_held>(d, row, c, lanes);
      }
    });
  });
}

/// Output columns [begin, end) of a row, whose pixels all meet the same taps.
struct Columns {
  int64_t begin;
  int64_t end;
};

/// The taps of `columns` of output row `out_row`, for `sweep(taps, count, first, last)`.
/// row(input row) gives column `-left` of a row, of which only `width` columns, `step` floats
/// apart, from `margin` on can be read.
template <typename Row, typename Sweep>
void for_each_forward_tap(const DepthwiseShape& s, int64_t out_row, const Columns& columns,
                          int64_t margin, int64_t width, int64_t step, const Row& input_row,
                          const Sweep& sweep) {
  TapBatches<Sweep> taps(sweep);
  const int64_t first = columns.begin * s.window.stride_w;
  const int64_t last = (columns.end - 1) * s.window.stride_w;
  for (int64_t kh = 0; kh < s.kernel_h; ++kh) {
    const int64_t row = out_row * s.window.stride_h - s.window.padding.top + kh;
    if (row < 0 || row >= s.height) continue;
    const float* from = input_row(row);
    for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
      if (first + kw < margin || last + kw >= margin + width) continue;
      taps.add({from + (first + kw) * step, (kh * s.kernel_w + kw) * s.channels});
    }
  }
  taps.finish();
}

/// What finishes an output: pending(conv) is a convolution with scaled weights that starts from a
/// shift, then a clip.
struct DepthwiseFinish {
  const float* weight;
  const float* bias;
  float lower;
  float upper;
};

DepthwiseFinish finish_of(const Pending& pending, const float* weight, const DepthwiseShape& s) {
  const DepthwiseFinish finish{weight, pending.shift, pending.lower, pending.upper};
  if (!pending.has_affine()) return finish;
  const int64_t taps = s.kernel_h * s.kernel_w;
  float* scaled = scratch(Scratch::packed_weights, taps * s.channels);
  for (int64_t tap = 0; tap < taps; ++tap) {
    for (int64_t c = 0; c < s.channels; ++c) {
      scaled[tap * s.channels + c] = pending.scale[c] * weight[tap * s.channels + c];
    }
  }
  return {scaled, finish.bias, finish.lower, finish.upper};
}

/// The rows of images that a depthwise convolution reads: those of x with what is pending on it, or
/// what a 1x1 convolution with `packed` weights makes of them first.
struct ForwardInput {
  const float* x;
  int64_t channels;  ///< of x
  Pending pending;
  const float* packed = nullptr;

  bool as_it_stands() const { return packed == nullptr && pending.identity(); }
  /// Row `row` of all images, `width` pixels, transformed to channels `wanted`.
  void transform(int64_t row, int64_t width, Run wanted, float* to) const {
    const float* from = x + row * width * channels;
    if (packed == nullptr) {
      apply_pending(from, width, channels, pending, to, channels);
      return;
    }
    multiply({from, channels, 1}, {packed + wanted.begin * channels}, width, wanted.length(),
             {1, channels},
             {.data = to,
              .row = wanted.length(),
              .bias = pending.has_affine() ? pending.shift + wanted.begin : nullptr,
              .finish = {pending.lower, pending.upper}});
  }

  /// How many of the `s.channels` are convolved together: few enough that the rows that a pixel
  /// sees stay in the L1 cache until the last pixel that sees them is written, in whole panels of
  /// `packed`. All where x is transformed, which reads it in the order in which it lies in memory.
  int64_t channels_together(const DepthwiseShape& s) const {
    constexpr int64_t kRingFloats = 7500;
    constexpr int64_t kPanel = 32;
    if (packed == nullptr && !pending.identity()) return s.channels;
    const int64_t pixels = s.window.padding.left + s.width + s.window.padding.right;
    return std::max(kRingFloats / (s.kernel_h * pixels) / kPanel * kPanel, kPanel);
  }
};

/// Writes rows of y, of some of its channels. Where x is to be transformed, rows pass through a
/// ring that does so once and puts zeros around; else they are read where they stand, and the
/// columns that see beyond the image, of which each has fewer taps, one by one.
class ForwardRows {
 public:
  ForwardRows(const DepthwiseShape& s, const ForwardInput& input, const DepthwiseFinish& finish,
              Run channels, float* y)
      : s_(s), input_(input), finish_(finish), channels_(channels), y_(y), step_(s.channels) {
    if (!input.as_it_stands()) {
      step_ = channels.length();
      ring_.emplace(Scratch::input_block, s.kernel_h, s.window.padding.left, s.width,
                    s.window.padding.right, step_);
    }
  }

  /// Row `row` of all images; in the order of rows.
  void write(int64_t row) {
    const int64_t image = row / s_.out_height;
    const int64_t out_row = row % s_.out_height;
    const int64_t left = s_.window.padding.left;
    if (ring_) {
      if (out_row == 0) ring_->reset();
      const auto ring_row = [&](int64_t in_row) {
        return ring_->row(in_row, [&](int64_t r, float* to) {
          input_.transform(image * s_.height + r, s_.width, channels_, to);
        });
      };
      write_columns(row, {0, s_.out_width}, 0, left + s_.width + s_.window.padding.right, ring_row);
      return;
    }
    // Column -left of a row that begins at column 0; what lies before that is not read.
    const auto image_row = [&](int64_t in_row) {
      return input_.x + ((image * s_.height + in_row) * s_.width - left) * s_.channels +
             channels_.begin;
    };
    const int64_t stride = s_.window.stride_w;
    const int64_t inner =
        std::min((left + stride - 1) / stride, s_.out_width);  // columns that see the left margin
    const int64_t room = left + s_.width - s_.kernel_w;
    const int64_t inner_end = room < 0 ? inner : std::clamp(room / stride + 1, inner, s_.out_width);
    for (int64_t c = 0; c < inner; ++c) write_columns(row, {c, c + 1}, left, s_.width, image_row);
    if (inner < inner_end) write_columns(row, {inner, inner_end}, left, s_.width, image_row);
    for (int64_t c = inner_end; c < s_.out_width; ++c) {
      write_columns(row, {c, c + 1}, left, s_.width, image_row);
    }
  }

 private:
  template <typename Row>
  void write_columns(int64_t row, const Columns& columns, int64_t margin, int64_t width,
                     const Row& input_row) const {
    const float inf = std::numeric_limits<float>::infinity();
    const float* bias = finish_.bias == nullptr ? nullptr : finish_.bias + channels_.begin;
    float* out = y_ + (row * s_.out_width + columns.begin) * s_.channels + channels_.begin;
    for_each_forward_tap(s_, row % s_.out_height, columns, margin, width, step_, input_row,
                         [&](const Tap* taps, int count, bool first, bool last) {
                           convolve_row({.taps = taps,
                                         .count = count,
                                         .weight = finish_.weight + channels_.begin,
                                         .channels = channels_.length(),
                                         .pixels = columns.end - columns.begin,
                                         .in_step = s_.window.stride_w * step_,
                                         .out_step = s_.channels,
                                         .bias = bias,
                                         .lower = last ? finish_.lower : -inf,
                                         .upper = last ? finish_.upper : inf,
                                         .accumulate = !first,
                                         .out = out});
                         });
  }

  const DepthwiseShape& s_;
  const ForwardInput& input_;
  const DepthwiseFinish& finish_;
  Run channels_;
  float* y_;
  int64_t step_;  ///< from a pixel that is read to the next
  std::optional<RowRing> ring_;
};

/// Adds the residual's row of pixels from `first` on to that of y.
void add_residual(const float* residual, int64_t first, const DepthwiseShape& s, Run channels,
                  float* y) {
  for (int64_t pixel = first; pixel < first + s.out_width; ++pixel) {
    const int64_t at = pixel * s.channels;
    for (int64_t c = channels.begin; c < channels.end; ++c) y[at + c] += residual[at + c];
  }
}

void ForwardFrom(const ForwardInput& input, const RowBands& bands, const float* weight,
                 const DepthwiseShape& s, float* y, const Epilogue& epilogue) {
  Moments* moments = epilogue.gathered();
  float* partials = moments == nullptr
                        ? nullptr
                        : scratch(Scratch::partial_sums, moment_floats(bands.count(), s.channels));
  const DepthwiseFinish finish = finish_of(epilogue.pending, weight, s);
  const float* residual = epilogue.residual.data();
  const int64_t together = input.channels_together(s);
  parallel_for(bands.count(), [&](int64_t band) {
    for (int64_t begin = 0; begin < s.channels; begin += together) {
      const Run channels{begin, std::min(begin + together, s.channels)};
      ForwardRows rows(s, input, finish, channels, y);
      for (int64_t row = bands.first(band); row < bands.end(band); ++row) {
        rows.write(row);
        const int64_t first = row * s.out_width;
        if (residual != nullptr) add_residual(residual, first, s, channels, y);
        if (partials != nullptr) {
          accumulate_moments(y + first * s.channels + begin, s.out_width, s.channels,
                             channels.length(), row == bands.first(band),
                             moment_block(partials, band, s.channels).from(begin));
        }
      }
    }
  });
  if (moments != nullptr) {
    const auto pixels_of = [&](int64_t band) {
      return (bands.end(band) - bands.first(band)) * s.out_width;
    };
    merge_moments(partials, bands.count(), s.channels, pixels_of, moments->mean.data(),
                  moments->variance.data());
    if (epilogue.fold != nullptr) cpu::batch_norm_fold({epilogue.fold, 1});
  }
}

void Forward(const float* x, const Pending& pending, const float* weight, const DepthwiseShape& s,
             float* y, const Epilogue& epilogue) {
  ForwardFrom({x, s.channels, pending}, RowBands(s.images, s.out_height, s.out_width, s.channels),
              weight, s, y, epilogue);
}

/// A band is a whole image: rows that two of them see would be expanded twice.
void ExpandedForward(const float* x, const Expansion& expansion, const float* weight,
                     const DepthwiseShape& s, float* y, const Epilogue& epilogue) {
  const int64_t inputs = expansion.weight.dim(-1);
  ForwardFrom({x, inputs, expansion.pending, expansion.packed.data()},
              RowBands(s.images, s.out_height), weight, s, y, epilogue);
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember::cpu {

HWY_EXPORT(Forward);
HWY_EXPORT(ExpandedForward);

void depthwise_conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                              const Window& window, Tensor& y, const Epilogue& epilogue) {
  const DepthwiseShape shape(x.shape(), weight.shape(), y.shape(), window);
  HWY_DYNAMIC_DISPATCH(Forward)(x.data(), pending, weight.data(), shape, y.data(), epilogue);
}

void expanded_depthwise_conv2d_forward(const Tensor& x, const Expansion& expansion,
                                       const Tensor& weight, const Window& window, Tensor& y,
                                       const Epilogue& epilogue) {
  const Shape expanded{x.dim(0), x.dim(1), x.dim(2), expansion.weight.dim(0)};
  const DepthwiseShape shape(expanded, weight.shape(), y.shape(), window);
  HWY_DYNAMIC_DISPATCH(ExpandedForward)
  (x.data(), expansion, weight.data(), shape, y.data(), epilogue);
}

}  // namespace ember::cpu
#endif  // HWY_ONCE
