#include "data/augment.h"

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "tests/data/testing.h"
#include "tests/devices.h"
#include "tests/golden.h"
#include "tests/orders.h"

namespace ember {
namespace {

AugmentationParameters parameters_of(const std::vector<double>& values) {
  return {values[0], values[1], values[2], values[3], values[4], values[5], values[6] != 0};
}

Tensor warped(const ByteTensor& image, const PixelMap& map, const Scaling& scaling,
              float brightness = 1) {
  Tensor output = Tensor::filled(image.shape(), NAN);
  warp(image.data(), image.dim(0), image.dim(1), map, brightness, scaling, output.data());
  return output;
}

/// warp() for an image of floats that are multiples of 2^-24 in [0, 1): being linear in the image,
/// it may take the three bytes of each value one by one.
Tensor warped(const Tensor& image, const PixelMap& map) {
  const Scaling unscaled{{1, 1, 1}, {0, 0, 0}};
  std::vector<double> sum(static_cast<size_t>(image.size()));
  for (const int byte : {0, 1, 2}) {
    ByteTensor part(image.shape());
    for (int64_t i = 0; i < image.size(); ++i) {
      const auto bits = static_cast<uint32_t>(std::ldexp(image.data()[i], 24));
      part.data()[i] = static_cast<uint8_t>(bits >> 8 * byte);
    }
    const Tensor output = warped(part, map, unscaled);
    for (size_t i = 0; i < sum.size(); ++i) {
      sum[i] += std::ldexp(output.values()[i], 8 * byte - 24);
    }
  }
  Tensor whole(image.shape());
  std::copy(sum.begin(), sum.end(), whole.data());
  return whole;
}

TEST_CASE("augmentation with given parameters equals Keras's") {
  const auto golden = golden_file("augmentation");
  int cases = 0;
  for (const std::string& name : golden.names()) {
    if (!name.ends_with("/output")) continue;
    const std::string image = name.substr(0, name.find('/')) + "/image";
    const std::string stem = name.substr(0, name.rfind('/'));
    const Shape& shape = golden.shape(image);
    const PixelMap map =
        pixel_map(parameters_of(golden.doubles(stem + "/parameters")), shape[0], shape[1]);
    const Tensor output = golden.dtype(image) == DType::u8
                              ? warped(golden.bytes(image), map, scaling_of(Scale::unit))
                              : warped(golden.tensor(image), map);
    check_golden(golden, name, output);
    ++cases;
  }
  CHECK(cases == 32);
}

TEST_CASE("the warp equals its formula at every size") {
  struct Sides {
    int64_t height, width;
  };
  const AugmentationParameters parameters{20, 1.5, -2.25, 5, 0.8, 1.25, true};
  const Scaling scaling = scaling_of(Scale::imagenet);
  for (const Sides& sides :
       {Sides{1, 1}, Sides{1, 7}, Sides{9, 1}, Sides{2, 3}, Sides{5, 17}, Sides{33, 8}}) {
    const int64_t height = sides.height;
    const int64_t width = sides.width;
    const ByteTensor image = noise_image(height, width, 3);
    const PixelMap map = pixel_map(parameters, height, width);
    const Tensor output = warped(image, map, scaling);
    const auto at = [&](int64_t r, int64_t c, int64_t channel) {
      return static_cast<double>(image.data()[(r * width + c) * 3 + channel]);
    };
    const auto clamped = [](int64_t fixed, int64_t side) {
      return std::clamp(std::ldexp(static_cast<double>(fixed), -32), 0.0,
                        static_cast<double>(side - 1));
    };
    double worst = 0;
    for (int64_t i = 0; i < output.size(); ++i) {
      const int64_t r = i / 3 / width;
      const int64_t c = i / 3 % width;
      const double y = clamped(map.row_row * r + map.row_column * c + map.row_offset, height);
      const double x =
          clamped(map.column_row * r + map.column_column * c + map.column_offset, width);
      const auto r0 = static_cast<int64_t>(y);
      const auto c0 = static_cast<int64_t>(x);
      const int64_t r1 = std::min(r0 + 1, height - 1);
      const int64_t c1 = std::min(c0 + 1, width - 1);
      const double v = y - static_cast<double>(r0);
      const double u = x - static_cast<double>(c0);
      const double top = at(r0, c0, i % 3) * (1 - u) + at(r0, c1, i % 3) * u;
      const double bottom = at(r1, c0, i % 3) * (1 - u) + at(r1, c1, i % 3) * u;
      const auto channel = static_cast<size_t>(i % 3);
      const double expected =
          (top * (1 - v) + bottom * v) * scaling.factor[channel] + scaling.offset[channel];
      worst = std::max(worst, std::abs(output.data()[i] - expected));
    }
    INFO(height << "x" << width);
    CHECK(worst < 2e-6);
  }
}

TEST_CASE("neutral parameters leave an image as it is, and a flip mirrors it") {
  const ByteTensor image = noise_image(5, 9, 6);
  const Scaling unscaled{{1, 1, 1}, {0, 0, 0}};
  const Tensor same = warped(image, pixel_map({}, 5, 9), unscaled);
  AugmentationParameters flip;
  flip.flip_horizontal = true;
  const Tensor mirrored = warped(image, pixel_map(flip, 5, 9), unscaled);
  for (int64_t i = 0; i < image.size(); ++i) {
    const int64_t column = i / 3 % 9;
    CHECK(same.data()[i] == image.data()[i]);
    CHECK(mirrored.data()[i] == image.data()[i + 3 * (8 - 2 * column)]);
  }
}

/// A batch of seven from five photos.
struct Noise {
  ByteTensor photos;
  IndexTensor photo_of = IndexTensor::from({7}, std::array<int32_t, 7>{0, 3, 1, 4, 4, 2, 0});
  TensorOf<PixelMap> maps{{7}};
  Tensor brightness = Tensor::from({7}, std::array<float, 7>{1, 0.5f, 1.25f, 1, 2, 0.9f, 1.1f});

  Noise(int64_t height, int64_t width) : photos({5, height, width, 3}) {
    const Philox random(2, Purpose::augmentation, 1);
    for (int64_t i = 0; i < 5; ++i) {
      photos.rows(i, i + 1).copy_from(
          noise_image(height, width, static_cast<uint64_t>(i)).reshape({1, height, width, 3}));
    }
    for (int64_t i = 0; i < 7; ++i) {
      maps.data()[i] = pixel_map(
          draw_augmentation({}, random, static_cast<uint64_t>(i), height, width), height, width);
    }
  }
  ByteTensor photo(int64_t n) const {
    const int64_t place = photo_of.data()[n];
    return photos.rows(place, place + 1).reshape({photos.dim(1), photos.dim(2), 3});
  }
};

TEST_CASE("a batch holds its images as warped and scaled one by one") {
  for (const Device device : test_devices()) {
    INFO(to_string(device));
    for (const Scale scale : {Scale::unit, Scale::symmetric, Scale::imagenet}) {
      for (const Shape& sides : {Shape{1, 1}, Shape{7, 5}, Shape{33, 8}, Shape{20, 19}}) {
        const Noise noise(sides[0], sides[1]);
        const ByteTensor photos = noise.photos.to(device);
        const IndexTensor photo_of = noise.photo_of.to(device);
        const Tensor unset = Tensor::filled(photos.shape().with_rows(7), NAN);
        Tensor warps = unset.to(device);
        Tensor scales = unset.to(device);
        warp_batch(photos, photo_of, noise.maps.to(device), noise.brightness.to(device),
                   scaling_of(scale), warps);
        scale_batch(photos, photo_of, scale, scales);
        const Tensor warps_read = warps.to(Device::cpu);
        const Tensor scales_read = scales.to(Device::cpu);
        for (int64_t n = 0; n < 7; ++n) {
          const Tensor one = warped(noise.photo(n), noise.maps.data()[n], scaling_of(scale),
                                    noise.brightness.data()[n]);
          Tensor scaled(one.shape());
          scale_pixels(noise.photo(n), scale, scaled);
          float worst = 0;
          int64_t unequal = 0;
          for (int64_t i = 0; i < one.size(); ++i) {
            const float error = std::abs(warps_read.data()[n * one.size() + i] - one.data()[i]);
            worst = error <= worst ? worst : error;  // a NaN is the worst
            if (scales_read.data()[n * one.size() + i] != scaled.data()[i]) ++unequal;
          }
          CHECK(worst <= (device == Device::cpu ? 0.0f : 1e-6f));
          CHECK(unequal == 0);
        }
      }
    }
  }
}

TEST_CASE("orders: batches of photos") {
  for (const Device device : test_devices()) {
    INFO(to_string(device));
    for (const Shape& sides : {Shape{1, 1}, Shape{7, 5}, Shape{33, 8}}) {
      const Noise noise(sides[0], sides[1]);
      const ByteTensor photos = noise.photos.to(device);
      const IndexTensor photo_of = noise.photo_of.to(device);
      const TensorOf<PixelMap> maps = noise.maps.to(device);
      const Tensor brightness = noise.brightness.to(device);
      const Tensor unset = Tensor::filled(photos.shape().with_rows(7), NAN);
      require_equal_in_any_order(device, [&] {
        Tensor warps = unset.to(device);
        Tensor scales = unset.to(device);
        warp_batch(photos, photo_of, maps, brightness, scaling_of(Scale::symmetric), warps);
        scale_batch(photos, photo_of, Scale::symmetric, scales);
        return std::vector{warps, scales};
      });
    }
  }
}

TEST_CASE("a batch whose parts do not fit together is refused") {
  const Noise noise(3, 4);
  Tensor images({7, 4, 3, 3});
  check_error(ExitCode::internal, {"scale_batch: images (7, 4, 3, 3)", "(5, 3, 4, 3)"},
              [&] { scale_batch(noise.photos, noise.photo_of, Scale::unit, images); });
  Tensor fitting({7, 3, 4, 3});
  const TensorOf<PixelMap> few({6});
  check_error(ExitCode::internal, {"warp_batch: maps (6)", "photo_of (7)"}, [&] {
    warp_batch(noise.photos, noise.photo_of, few, noise.brightness, scaling_of(Scale::unit),
               fitting);
  });
}

TEST_CASE("parameters are drawn uniformly from their ranges") {
  constexpr int kDraws = 4000;
  const Philox random(3, Purpose::augmentation, 5);
  struct Statistics {
    double low = INFINITY, high = -INFINITY, sum = 0;
    void add(double value) {
      low = std::min(low, value);
      high = std::max(high, value);
      sum += value;
    }
  };
  std::array<Statistics, 7> statistics;
  for (uint64_t element = 0; element < kDraws; ++element) {
    const auto p = draw_augmentation({}, random, element, 100, 50);
    const std::array<double, 7> values{
        p.theta, p.tx, p.ty, p.shear, p.zx, p.zy, p.flip_horizontal ? 1.0 : 0.0};
    for (size_t i = 0; i < values.size(); ++i) statistics[i].add(values[i]);
  }
  const std::array<std::array<double, 2>, 7> ranges{
      {{-25, 25}, {-20, 20}, {-10, 10}, {-0.15, 0.15}, {0.7, 1.3}, {0.7, 1.3}, {0, 1}}};
  for (size_t i = 0; i < ranges.size(); ++i) {
    const auto [low, high] = ranges[i];
    const double width = high - low;
    INFO("parameter " << i);
    CHECK(statistics[i].low >= low);
    CHECK(statistics[i].low < low + 0.01 * width);
    CHECK(statistics[i].high <= high);
    CHECK(statistics[i].high > high - 0.01 * width);
    CHECK(std::abs(statistics[i].sum / kDraws - (low + high) / 2) < 0.04 * width);
  }
}

TEST_CASE("scales are named as in weights files") {
  for (const char* name : {"unit", "symmetric", "imagenet"}) {
    CHECK(to_string(parse_scale(name)) == name);
  }
  check_error(ExitCode::usage, {"scale half", "unit, symmetric or imagenet"},
              [] { parse_scale("half"); });
}

TEST_CASE("pixels are scaled to the last bit") {
  ByteTensor pixels({256, 3});
  for (int64_t i = 0; i < pixels.size(); ++i) pixels.data()[i] = static_cast<uint8_t>(i / 3);
  Tensor input({256, 3});
  const auto value = [&](int64_t pixel, int channel) { return input.data()[3 * pixel + channel]; };
  scale_pixels(pixels, Scale::unit, input);
  for (int pixel = 0; pixel < 256; ++pixel) {
    CHECK(value(pixel, pixel % 3) == static_cast<float>(pixel) / 255.0f);
  }
  scale_pixels(pixels, Scale::symmetric, input);
  CHECK(value(0, 0) == -1.0f);
  CHECK(value(255, 2) == 1.0f);
  CHECK(value(51, 1) == static_cast<float>(51 / 127.5 - 1));
  scale_pixels(pixels, Scale::imagenet, input);
  CHECK(value(0, 0) == static_cast<float>(-0.485 / 0.229));
  CHECK(value(255, 1) == static_cast<float>((1 - 0.456) / 0.224));
  CHECK(value(102, 2) == static_cast<float>((0.4 - 0.406) / 0.225));

  // The factors of the augmented path give the same values but for rounding.
  for (const Scale scale : {Scale::unit, Scale::symmetric, Scale::imagenet}) {
    const Scaling scaling = scaling_of(scale);
    scale_pixels(pixels, scale, input);
    for (int64_t i = 0; i < pixels.size(); ++i) {
      const auto channel = static_cast<size_t>(i % 3);
      const float product = static_cast<float>(pixels.data()[i]) * scaling.factor[channel];
      CHECK(product + scaling.offset[channel] == doctest::Approx(input.data()[i]).epsilon(1e-6));
    }
  }
}

}  // namespace
}  // namespace ember
