#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>

namespace ember {

/// Zeros added around an image, side by side: TensorFlow's `same` at stride 2 adds (0, 1) on even
/// sizes where PyTorch adds (1, 1).
struct Padding {
  int top = 0;
  int bottom = 0;
  int left = 0;
  int right = 0;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a 0 into it
  auto operator<=>(const Padding&) const = default;

  static constexpr Padding all(int pixels) { return {pixels, pixels, pixels, pixels}; }

  /// TensorFlow's `same`: ceil(size / stride) outputs, the odd pixel of padding at the bottom and
  /// right.
  static constexpr Padding same(int64_t height, int64_t width, int kernel_h, int kernel_w,
                                int stride_h, int stride_w) {
    const int vertical = total_same(height, kernel_h, stride_h);
    const int horizontal = total_same(width, kernel_w, stride_w);
    return {vertical / 2, vertical - vertical / 2, horizontal / 2, horizontal - horizontal / 2};
  }

 private:
  static constexpr int total_same(int64_t size, int kernel, int stride) {
    const int64_t outputs = (size + stride - 1) / stride;
    return static_cast<int>(std::max<int64_t>((outputs - 1) * stride + kernel - size, 0));
  }
};

/// How a kernel slides over an image.
struct Window {
  int stride_h = 1;
  int stride_w = 1;
  Padding padding;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a 0 into it
  auto operator<=>(const Window&) const = default;
};

/// Output pixels along one axis; 0 or less when the padded image is smaller than the kernel.
constexpr int64_t window_outputs(int64_t size, int64_t kernel, int stride, int before, int after) {
  const int64_t room = size + before + after - kernel;
  return room < 0 ? 0 : room / stride + 1;
}

}  // namespace ember
