#pragma once

#include "tensor/tensor.h"

namespace ember {

/// Bilinear resize, equal to OpenCV 4's `resize(INTER_LINEAR)` of uint8 on every pixel.
///
/// image (H, W, C), resized (h, w, C). Output pixel (y, x) samples the image at ((y + 0.5) H/h -
/// 0.5, (x + 0.5) W/w - 0.5), clamped to its edges, with weights rounded to 11 bits; half size in
/// both directions is the rounded mean of 2x2 pixels.
void resize_bilinear(const ByteTensor& image, ByteTensor& resized);

}  // namespace ember
