#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "data/annotations.h"
#include "tensor/tensor.h"

/// Marks on photos. What does not lie in the image (height, width, 3) is left out.
namespace ember {

using Rgb = std::array<uint8_t, 3>;

/// Gives the pixels of `box` this colour.
void fill_box(ByteTensor& image, const Box& box, const Rgb& colour);

/// Draws a frame of this thickness around `box`.
void draw_frame(ByteTensor& image, const Box& box, const Rgb& colour, int thickness);

/// Writes `text` on a bar of this colour, in black or white, whichever stands out, and returns
/// where. The bar is on top of `box`, beneath it, or at its upper edge within it: the first of
/// these places that lies in the image and leaves `others` free or, if there is none, the first
/// that lies in the image. It is moved sideways until it lies in the image. A pixel of the font is
/// `scale` pixels wide, fewer where the text would be wider than the image. What is no ASCII
/// becomes '?'.
Box draw_label(ByteTensor& image, const Box& box, const std::string& text, const Rgb& colour,
               int scale, std::span<const Box> others = {});

}  // namespace ember
