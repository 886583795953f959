#pragma once

#include <algorithm>

#include "kernels/cuda/convolution.cuh"
#include "kernels/cuda/divider.cuh"
#include "kernels/cuda/source.cuh"
#include "tensor/cuda/launch.h"

/// What the convolutions of images with few channels share, photos above all. A pixel there is too
/// short for a 16-byte access, and a patch of it starts anywhere in a sector; but a row of x is (W
/// * I) contiguous floats. So these convolutions are direct ones: a block copies what a tile of
/// output pixels sees of x to shared memory, in whole sectors, and reads the patches there, as they
/// stand.
namespace ember::cuda {

constexpr int kDirectThreads = 256;
/// Outputs of a block: kDirectLanes neighbouring threads with a float4 each.
constexpr int kDirectOutputs = 32;
constexpr int kDirectLanes = kDirectOutputs / 4;

/// Output pixels in tiles of kLines x kColumns, and the window of x that a tile sees: rows of the
/// padded image, from `lead` floats before the first one seen, where a sector starts.
template <int kLines_>
class PixelTiles {
 public:
  static constexpr int kLines = kLines_;
  static constexpr int kColumns = 32;
  static constexpr int kPixels = kLines * kColumns;

  explicit PixelTiles(const Convolution& conv)
      : height_(static_cast<int>(conv.height)),
        row_floats_(static_cast<int>(conv.width * conv.channels)),
        out_h_(static_cast<int>(conv.out_h)),
        out_w_(static_cast<int>(conv.out_w)),
        stride_h_(conv.window.stride_h),
        stride_floats_(static_cast<int>(conv.window.stride_w * conv.channels)),
        top_(conv.window.padding.top),
        lead_(static_cast<int>(round_up(left_floats(conv), kSector) - left_floats(conv))),
        first_(-static_cast<int>(round_up(left_floats(conv), kSector))),
        rows_(static_cast<int>(conv.seen_rows(kLines))),
        down_(blocks_for(conv.out_h, kLines)),
        across_(blocks_for(conv.out_w, kColumns)),
        row_vectors_(
            round_up(lead_ + (kColumns - 1) * stride_floats_ + conv.kernel_row(), kSector) / 4),
        // Half the banks apart, so that the taps of two kernel rows do not meet in one.
        pitch_(static_cast<int>(round_up(row_vectors_.divisor() * 4 + kPitch, 2 * kPitch)) -
               kPitch),
        count_(conv.images * down_.divisor() * across_.divisor()),
        kernel_row_(conv.kernel_row()),
        channels_(conv.channels) {}

  int64_t count() const { return count_; }
  /// Floats of shared memory that the window takes, a multiple of 4.
  __host__ __device__ int window_floats() const { return rows_ * pitch_; }

  /// The first output pixel of a tile.
  __device__ ImagePixel first_pixel(int tile) const {
    const int line = across_.quotient(tile);
    const int image = down_.quotient(line);
    return {image, (line - image * down_.divisor()) * kLines,
            (tile - line * across_.divisor()) * kColumns};
  }
  /// Of the tile that starts there, the lines and columns within the image.
  __device__ int lines(const ImagePixel& first) const { return min(kLines, out_h_ - first.h); }
  __device__ int columns(const ImagePixel& first) const { return min(kColumns, out_w_ - first.w); }
  /// A pixel's row of y.
  __device__ int row(const ImagePixel& first, int line, int column) const {
    return (first.image * out_h_ + first.h + line) * out_w_ + first.w + column;
  }

  /// Copies the window of a tile to shared memory, what is pending applied, 0 beyond the image.
  __device__ void load_window(const ActivationSource& x, const ImagePixel& first,
                              float* window) const {
    const int top = first.h * stride_h_ - top_;
    const int left = first.w * stride_floats_ + first_;
    for (int i = static_cast<int>(threadIdx.x); i < rows_ * row_vectors_.divisor();
         i += kDirectThreads) {
      const int row = row_vectors_.quotient(i);
      const int column = (i - row * row_vectors_.divisor()) * 4;
      const int h = top + row;
      const int from = left + column;  // in floats of the image's row
      float4 value = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      if (h >= 0 && h < height_ && from >= 0 && from < row_floats_) {
        value = transform(
            x, from, x.fetch<float4>((int64_t{first.image} * height_ + h) * row_floats_ + from));
      }
      store(window + row * pitch_ + column, value);
    }
  }
  /// Where the patch of a column's first pixel starts in the window, and how far it is to the next
  /// line's.
  __device__ int patch(int column) const { return lead_ + column * stride_floats_; }
  __device__ int line_floats() const { return stride_h_ * pitch_; }
  /// Where weight k, one of (KH, KW, I), meets x, from the start of a patch.
  __device__ int tap(int k) const {
    const int kh = kernel_row_.quotient(k);
    return kh * pitch_ + k - kh * kernel_row_.divisor();
  }

 private:
  static constexpr int64_t kSector = 8;  // floats
  static constexpr int64_t kPitch = 16;
  static_assert(kColumns % kSector == 0, "each tile starts a sector");

  static constexpr int64_t round_up(int64_t count, int64_t unit) {
    return (count + unit - 1) / unit * unit;
  }
  static int64_t left_floats(const Convolution& conv) {
    return conv.window.padding.left * conv.channels;
  }

  /// What is pending at 4 neighbours of a row, whose channels come in turn.
  __device__ float4 transform(const ActivationSource& x, int from, float4 raw) const {
    const auto at = [&](int i, float value) {
      const int channel = from + i - channels_.quotient(from + i) * channels_.divisor();
      return x.at<float>(channel)(value);
    };
    return make_float4(at(0, raw.x), at(1, raw.y), at(2, raw.z), at(3, raw.w));
  }

  int height_;
  int row_floats_;
  int out_h_;
  int out_w_;
  int stride_h_;
  int stride_floats_;  ///< from a pixel's patch to its right neighbour's
  int top_;
  int lead_;
  int first_;  ///< of the leftmost tile's window, in floats of the image's row
  int rows_;
  Divider down_;
  Divider across_;
  Divider row_vectors_;
  int pitch_;
  int64_t count_;
  Divider kernel_row_;
  Divider channels_;
};

/// Whether a convolution is one for a direct kernel of `shared_bytes` on activations at `x`: few
/// channels, rows of whole float4, and a window that a block has room for.
inline bool fits_direct(const Convolution& conv, const void* x, int64_t shared_bytes) {
  return conv.channels < 4 && fits_float4(conv.width * conv.channels, {x}) &&
         shared_bytes <= int64_t{kCommonSharedBytes};
}

}  // namespace ember::cuda
