#include "data/crop.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "data/resize.h"
#include "tensor/error.h"

namespace ember {
namespace {

ByteTensor crop(const ByteTensor& image, const Box& box) {
  EMBER_REQUIRE(0 <= box.xmin && box.xmin < box.xmax && box.xmax <= image.dim(1) && 0 <= box.ymin &&
                    box.ymin < box.ymax && box.ymax <= image.dim(0),
                "crop: columns [{}, {}) and rows [{}, {}) of {}", box.xmin, box.xmax, box.ymin,
                box.ymax, to_string(image.shape()));
  const int64_t channels = image.dim(2);
  ByteTensor cropped({box.ymax - box.ymin, box.xmax - box.xmin, channels});
  const auto row_bytes = static_cast<size_t>(cropped.dim(1) * channels);
  for (int64_t y = 0; y < cropped.dim(0); ++y) {
    const int64_t from = ((box.ymin + y) * image.dim(1) + box.xmin) * channels;
    std::memcpy(cropped.data() + static_cast<size_t>(y) * row_bytes, image.data() + from,
                row_bytes);
  }
  return cropped;
}

}  // namespace

Box square_around(const Box& box, double margin, ImageSize photo) {
  const int longer = std::max(box.xmax - box.xmin, box.ymax - box.ymin);
  const auto shorter = static_cast<int>(std::min(photo.height, photo.width));
  const int side = std::clamp(static_cast<int>(std::lround(longer * (1 + 2 * margin))), 1, shorter);
  const auto begin = [side](int low, int high, int64_t limit) {
    return std::clamp((low + high - side) / 2, 0, static_cast<int>(limit) - side);
  };
  const int x = begin(box.xmin, box.xmax, photo.width);
  const int y = begin(box.ymin, box.ymax, photo.height);
  return {x, y, x + side, y + side};
}

void resize_crop(const ByteTensor& image, const Box& box, ByteTensor& resized) {
  ByteTensor cropped = crop(image, box);
  while (cropped.dim(0) > 2 * resized.dim(0) && cropped.dim(1) > 2 * resized.dim(1)) {
    // An odd side loses its last row or column, a part in some hundred.
    ByteTensor half({cropped.dim(0) / 2, cropped.dim(1) / 2, cropped.dim(2)});
    const Box even{0, 0, static_cast<int>(2 * half.dim(1)), static_cast<int>(2 * half.dim(0))};
    resize_bilinear(crop(cropped, even), half);
    cropped = std::move(half);
  }
  resize_bilinear(cropped, resized);
}

}  // namespace ember
