#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "kernels/window.h"
#include "tensor/shape.h"

namespace ember::cudnn {

enum class Direction { forward, dgrad, wgrad };

/// What a caller allows cuDNN to do.
struct Allowed {
  bool tf32 = false;              ///< round the factors of products to TF32 (10 bits of mantissa)
  bool nondeterministic = false;  ///< add in an order that differs from run to run

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a 0 into it
  auto operator<=>(const Allowed&) const = default;
};

/// A float32 convolution of an NHWC image batch: all that a plan depends on besides the device.
/// Shapes are those of forward, whatever the direction.
struct Convolution {
  Direction direction = Direction::forward;
  int64_t images, height, width, channels;
  int64_t outputs, kernel_h, kernel_w;
  bool depthwise = false;  ///< weights (KH, KW, C), not (O, KH, KW, I)
  Window window;
  bool bias = false;        ///< forward: y = conv + bias
  bool accumulate = false;  ///< dgrad: dx += instead of dx =
  Allowed allowed;

  int64_t output_height() const;
  int64_t output_width() const;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a 0 into it
  auto operator<=>(const Convolution&) const = default;
};

/// The convolution of x (N, H, W, I) with weight (O, KH, KW, I), or (KH, KW, C) where depthwise.
Convolution convolution_of(Direction direction, const Shape& x, const Shape& weight,
                           const Window& window);

/// "dgrad of 3x3 depthwise, stride 2x2, padding 0 1 0 1, (32, 64, 64, 96) to (32, 32, 32, 96)".
std::string to_string(const Convolution& convolution);

}  // namespace ember::cudnn
