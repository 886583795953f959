#pragma once

#include <array>
#include <cstdint>

#include "data/annotations.h"
#include "tensor/tensor.h"

namespace ember {

/// Draws a frame of this thickness around `box`, as far as it lies in `image` (height, width, 3).
void draw_frame(ByteTensor& image, const Box& box, const std::array<uint8_t, 3>& colour,
                int64_t thickness);

}  // namespace ember
