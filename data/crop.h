#pragma once

#include "data/annotations.h"
#include "data/image.h"

namespace ember {

/// The square that shows `box` with some of what is around it: as wide as the box's longer side and
/// `margin` times that at either end, about the box's centre. It is no larger than the photo's
/// shorter side, and moved into the photo where it would leave it.
Box square_around(const Box& box, double margin, ImageSize photo);

/// The pixels of `box`, which lies in `image` (height, width, 3), resized to `resized` (side, side,
/// 3). A box of more than twice the side is halved first, by means of 2x2 pixels and as often as
/// that holds, so that no pixel is passed over.
void resize_crop(const ByteTensor& image, const Box& box, ByteTensor& resized);

}  // namespace ember
