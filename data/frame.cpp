#include "data/frame.h"

#include <stb/stb_easy_font.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/error.h"

namespace ember {
namespace {

constexpr int kBarHeight = 12;  // pixels of the font: a capital's 7, its descenders, and a rim
constexpr int kBarRim = 3;

/// What the font has letters for: each other character, of one byte or more, becomes one '?'.
std::string printable(const std::string& utf8) {
  std::string ascii;
  for (const char c : utf8) {
    const bool continues = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
    if (!continues) ascii += c >= ' ' && c <= '~' ? c : '?';
  }
  return ascii;
}

/// Corner of one of the quads that the font draws letters with.
struct Vertex {
  float x;
  float y;
  float z;
  unsigned char colour[4];
};

/// Draws `text` with its upper left corner at (left, top).
void draw_text(ByteTensor& image, int left, int top, std::string text, const Rgb& colour,
               int scale) {
  constexpr size_t kVertices = 4;
  constexpr size_t kMostQuads = 24;  // of a letter
  std::vector<Vertex> vertices(text.size() * kMostQuads * kVertices);
  const int quads = stb_easy_font_print(0, 0, text.data(), nullptr, vertices.data(),
                                        static_cast<int>(vertices.size() * sizeof(Vertex)));
  const auto pixel = [scale](int begin, float x) {
    return begin + static_cast<int>(std::lround(x)) * scale;
  };
  for (size_t quad = 0; quad < static_cast<size_t>(quads); ++quad) {
    const Vertex& first = vertices[quad * kVertices];
    const Vertex& opposite = vertices[quad * kVertices + 2];
    fill_box(image,
             {pixel(left, first.x), pixel(top, first.y), pixel(left, opposite.x),
              pixel(top, opposite.y)},
             colour);
  }
}

bool overlap(const Box& a, const Box& b) {
  return a.xmin < b.xmax && b.xmin < a.xmax && a.ymin < b.ymax && b.ymin < a.ymax;
}

/// Black or white, whichever is further from the colour's luma (ITU-R BT.601).
Rgb contrast_to(const Rgb& colour) {
  const double luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
  return luma > 127.5 ? Rgb{0, 0, 0} : Rgb{255, 255, 255};
}

}  // namespace

void fill_box(ByteTensor& image, const Box& box, const Rgb& colour) {
  EMBER_REQUIRE(image.rank() == 3 && image.dim(2) == 3, "fill_box: image {}",
                to_string(image.shape()));
  for (int64_t y = std::max(0, box.ymin); y < std::min<int64_t>(box.ymax, image.dim(0)); ++y) {
    for (int64_t x = std::max(0, box.xmin); x < std::min<int64_t>(box.xmax, image.dim(1)); ++x) {
      std::copy(colour.begin(), colour.end(), image.data() + (y * image.dim(1) + x) * 3);
    }
  }
}

void draw_frame(ByteTensor& image, const Box& box, const Rgb& colour, int thickness) {
  const int left = box.xmin - thickness;
  const int right = box.xmax + thickness;
  fill_box(image, {left, box.ymin - thickness, right, box.ymin}, colour);
  fill_box(image, {left, box.ymax, right, box.ymax + thickness}, colour);
  fill_box(image, {left, box.ymin, box.xmin, box.ymax}, colour);
  fill_box(image, {box.xmax, box.ymin, right, box.ymax}, colour);
}

Box draw_label(ByteTensor& image, const Box& box, const std::string& text, const Rgb& colour,
               int scale, std::span<const Box> others) {
  std::string letters = printable(text);
  const int width = stb_easy_font_width(letters.data()) + 2 * kBarRim;
  const auto image_width = static_cast<int>(image.dim(1));
  while (scale > 1 && width * scale > image_width) --scale;
  const int height = kBarHeight * scale;
  const int left = std::clamp(box.xmin, 0, std::max(0, image_width - width * scale));
  const auto bar_at = [&](int top) -> Box {
    return {left, top, left + width * scale, top + height};
  };

  std::vector<Box> places{bar_at(box.ymin - height), bar_at(box.ymax)};
  std::erase_if(places, [&](const Box& bar) { return bar.ymin < 0 || bar.ymax > image.dim(0); });
  places.push_back(bar_at(std::max(0, box.ymin)));
  const auto is_free = [&](const Box& bar) {
    return std::none_of(others.begin(), others.end(),
                        [&](const Box& other) { return overlap(bar, other); });
  };
  const auto free_place = std::find_if(places.begin(), places.end(), is_free);
  const Box bar = free_place == places.end() ? places.front() : *free_place;
  fill_box(image, bar, colour);
  draw_text(image, bar.xmin + kBarRim * scale, bar.ymin + 2 * scale, letters, contrast_to(colour),
            scale);
  return bar;
}

}  // namespace ember
