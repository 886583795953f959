#include "bench/suite.h"
#include "data/augment.h"

namespace ember {

/// A batch from photos that lie on the device: augmented, and scaled alone.
void bench_warp(const Suite& suite) {
  const int64_t side = suite.image_size;
  const Shape shape{suite.batch, side, side, 3};
  const LayerCase layer{.name = "batch", .x = shape, .y = shape};
  const Work work{.floats = shape.size() + shape.size() / 4};  // a byte makes a float
  const auto photo_of = [=] {
    IndexTensor each({suite.batch});
    for (int64_t n = 0; n < suite.batch; ++n) each.data()[n] = static_cast<int32_t>(n);
    return each.on(suite.device);
  };
  suite.add("warp_batch", layer, work, [=] {
    const Philox random(1, Purpose::augmentation, 0);
    TensorOf<PixelMap> maps({suite.batch});
    for (int64_t n = 0; n < suite.batch; ++n) {
      maps.data()[n] = pixel_map(
          draw_augmentation({}, random, static_cast<uint64_t>(n), side, side), side, side);
    }
    return
        [photos = ByteTensor::filled(shape, 128, suite.device), photo_of = photo_of(),
         maps = maps.on(suite.device), brightness = Tensor::filled({suite.batch}, 1, suite.device),
         scaling = scaling_of(Scale::unit), images = suite.zeros(shape)]() mutable {
          warp_batch(photos, photo_of, maps, brightness, scaling, images);
        };
  });
  suite.add("scale_batch", layer, work, [=] {
    return [photos = ByteTensor::filled(shape, 128, suite.device), photo_of = photo_of(),
            images = suite.zeros(shape)]() mutable {
      scale_batch(photos, photo_of, Scale::unit, images);
    };
  });
}

}  // namespace ember
