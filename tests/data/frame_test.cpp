#include "data/frame.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "tests/data/testing.h"

namespace ember {
namespace {

constexpr Rgb kGrey{90, 90, 90};
constexpr Rgb kBlue{0, 0, 200};
constexpr Rgb kYellow{240, 230, 60};
constexpr Rgb kBlack{0, 0, 0};
constexpr Rgb kWhite{255, 255, 255};

ByteTensor grey_image(int64_t height, int64_t width) {
  return ByteTensor::filled({height, width, 3}, kGrey[0]);
}

Rgb pixel(const ByteTensor& image, int64_t y, int64_t x) {
  const uint8_t* at = image.data() + (y * image.dim(1) + x) * 3;
  return {at[0], at[1], at[2]};
}

/// The smallest box around all pixels that are not grey, and how many have a colour.
Box changed(const ByteTensor& image) {
  Box box{static_cast<int>(image.dim(1)), static_cast<int>(image.dim(0)), 0, 0};
  for (int y = 0; y < image.dim(0); ++y) {
    for (int x = 0; x < image.dim(1); ++x) {
      if (pixel(image, y, x) == kGrey) continue;
      box = {std::min(box.xmin, x), std::min(box.ymin, y), std::max(box.xmax, x + 1),
             std::max(box.ymax, y + 1)};
    }
  }
  return box;
}

int count(const ByteTensor& image, const Rgb& colour) {
  int pixels = 0;
  for (int y = 0; y < image.dim(0); ++y) {
    for (int x = 0; x < image.dim(1); ++x) pixels += pixel(image, y, x) == colour ? 1 : 0;
  }
  return pixels;
}

}  // namespace

TEST_CASE("a box and a frame are drawn as far as they lie in the image") {
  ByteTensor image = grey_image(6, 8);
  fill_box(image, {-5, 4, 2, 100}, kBlue);
  CHECK(count(image, kBlue) == 2 * 2);
  CHECK(pixel(image, 5, 1) == kBlue);

  image = grey_image(10, 12);
  draw_frame(image, {3, 4, 6, 8}, kBlue, 2);
  CHECK(count(image, kBlue) == 7 * 8 - 3 * 4);
  for (int y = 4; y < 8; ++y) CHECK(pixel(image, y, 3) == kGrey);
  image = grey_image(10, 12);
  draw_frame(image, {0, 0, 12, 10}, kBlue, 2);
  CHECK(count(image, kBlue) == 0);
}

TEST_CASE("a label stands on its box, within the image, in letters that stand out") {
  ByteTensor image = grey_image(60, 100);
  draw_label(image, {10, 30, 40, 50}, "mask", kBlue, 1);
  Box bar = changed(image);
  CHECK(bar.xmin == 10);
  CHECK(bar.ymax == 30);
  CHECK(bar.ymin >= 15);
  CHECK(count(image, kWhite) > 30);
  CHECK(count(image, kBlue) > count(image, kWhite));
  const int small = count(image, kWhite);

  image = grey_image(60, 100);
  draw_label(image, {10, 30, 40, 50}, "mask", kYellow, 2);
  CHECK(count(image, kBlack) == 4 * small);
  CHECK(changed(image).xmax - 10 == 2 * (bar.xmax - 10));

  image = grey_image(60, 100);
  draw_label(image, {85, 5, 95, 55}, "mask", kBlue, 1);  // no room elsewhere, nor to the right
  bar = changed(image);
  CHECK(bar.ymin == 5);
  CHECK(bar.xmax == 100);
  CHECK(count(image, kWhite) == small);

  // Beneath the box, or within it, where there is something else.
  const Box above{0, 12, 100, 20};
  const Box beneath{0, 45, 100, 50};
  const Box box{10, 20, 40, 40};
  const auto top_beside = [&](const std::vector<Box>& others) {
    ByteTensor drawn = grey_image(60, 100);
    const Box place = draw_label(drawn, box, "mask", kBlue, 1, others);
    CHECK(changed(drawn).ymin == place.ymin);
    CHECK(changed(drawn).ymax == place.ymax);
    return place.ymin;
  };
  CHECK(top_beside({}) < 20);
  CHECK(top_beside({beneath}) < 20);
  CHECK(top_beside({above}) == 40);
  CHECK(top_beside({above, beneath}) == 20);
  CHECK(top_beside({above, beneath, box}) < 20);

  image = grey_image(60, 40);
  draw_label(image, {5, 30, 20, 50}, "mask", kBlue, 3);  // too wide at this scale
  CHECK(count(image, kWhite) == small);
  image = grey_image(6, 5);
  draw_label(image, {0, 0, 5, 6}, "much too long", kBlue, 1);
  CHECK(changed(image).xmax == 5);
}

TEST_CASE("a label has a letter for each character, and '?' for what is no ASCII") {
  const auto ink = [](const std::string& text) {
    ByteTensor image = grey_image(20, 300);
    draw_label(image, {0, 15, 10, 20}, text, kBlue, 1);
    return count(image, kWhite);
  };
  for (char c = '!'; c <= '~'; ++c) {
    CAPTURE(c);
    CHECK(ink(std::string(1, c)) > 0);
    CHECK(ink(std::string(8, c)) == 8 * ink(std::string(1, c)));
  }
  CHECK(ink(" ") == 0);
  CHECK(ink("caf\xC3\xA9") == ink("caf?"));
  CHECK(ink("\xE5\x8F\xA3\xE7\xBD\xA9") == 2 * ink("?"));
}

}  // namespace ember
