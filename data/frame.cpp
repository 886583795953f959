#include "data/frame.h"

#include <algorithm>

#include "tensor/error.h"

namespace ember {

void draw_frame(ByteTensor& image, const Box& box, const std::array<uint8_t, 3>& colour,
                int64_t thickness) {
  EMBER_REQUIRE(image.rank() == 3 && image.dim(2) == 3, "draw_frame: image {}",
                to_string(image.shape()));
  const auto fill = [&](int64_t top, int64_t bottom, int64_t left, int64_t right) {
    for (int64_t y = std::max<int64_t>(0, top); y < std::min(bottom, image.dim(0)); ++y) {
      for (int64_t x = std::max<int64_t>(0, left); x < std::min(right, image.dim(1)); ++x) {
        std::copy(colour.begin(), colour.end(), image.data() + (y * image.dim(1) + x) * 3);
      }
    }
  };
  const int64_t left = box.xmin - thickness;
  const int64_t right = box.xmax + thickness;
  fill(box.ymin - thickness, box.ymin, left, right);
  fill(box.ymax, box.ymax + thickness, left, right);
  fill(box.ymin, box.ymax, left, box.xmin);
  fill(box.ymin, box.ymax, box.xmax, right);
}

}  // namespace ember
