#include <array>

#include "data/drawing/easel.h"

namespace ember {
namespace {

/// A sheet of cloth before the face: s runs from its left (-1) to its right edge (1), t from the
/// upper (0) to the lower edge (1).
struct Sheet {
  float top, bottom;                         ///< y of the edges in the middle
  float top_width, middle_width, low_width;  ///< half widths
  float peak;                                ///< how far the upper edge rises to the middle
  float bulge;                               ///< how far the middle stands off the face

  Point at(const Head& head, float s, float t) const {
    const float width = t < 0.5F ? mix(top_width, middle_width, smoothstep(0, 0.5F, t))
                                 : mix(middle_width, low_width, smoothstep(0.5F, 1, t));
    const float middle = 1 - s * s;
    const float y =
        mix(top, bottom, t) + peak * (1 - t) * (1 - middle * middle) - 0.10F * t * t * (1 - middle);
    return head.on_face(s * width, y, bulge * middle * (0.6F + 0.4F * smoothstep(0, 0.4F, t)));
  }
  Path across(const Head& head, float t, float reach = 0.97F) const {
    Path path;
    for (int i = -4; i <= 4; ++i) path.push_back(at(head, reach * i / 4, t));
    return path;
  }
  Path outline(const Head& head) const {
    Path path;
    for (int i = -4; i <= 4; ++i) path.push_back(at(head, i / 4.0F, 0));
    for (const float t : {0.25F, 0.5F, 0.75F}) path.push_back(at(head, 1, t));
    for (int i = 4; i >= -4; --i) path.push_back(at(head, i / 4.0F, 1));
    for (const float t : {0.75F, 0.5F, 0.25F}) path.push_back(at(head, -1, t));
    return smooth_loop(path);
  }
};

enum class Make { pleated, sewn, folded };

struct Cloth {
  Make make;
  Colour colour;
  Colour strap;
  int dots;  ///< rows of dots printed on it
};

Cloth random_cloth(Dice& dice) {
  constexpr Colour kPleated[] = {rgb(0x8fc7e6), rgb(0x8fc7e6), rgb(0x7ab8de), rgb(0xf4f6f8),
                                 rgb(0xf4f6f8), rgb(0x9fd8cb), rgb(0x2d2f36), rgb(0xf3bccb)};
  constexpr Colour kSewn[] = {rgb(0x24262c), rgb(0x2f4a7d), rgb(0xb33a48), rgb(0x4f8a5b),
                              rgb(0xd7a83f), rgb(0x7d5ba6), rgb(0xe8e2d6), rgb(0x6c7480)};
  constexpr Colour kFolded[] = {rgb(0xf7f7f4), rgb(0xf7f7f4), rgb(0xdfe6ea), rgb(0x2a2b30)};
  const Make make = std::array{Make::pleated, Make::sewn, Make::folded}[dice.weighted({5, 3, 2})];
  const Colour colour = make == Make::pleated ? dice.pick(kPleated)
                        : make == Make::sewn  ? dice.pick(kSewn)
                                              : dice.pick(kFolded);
  const bool dotted = make == Make::sewn && dice.chance(0.4F);
  const Colour strap = make == Make::sewn ? 0.85F * colour : rgb(0xeef1f3);
  return {make, colour, strap, dotted ? 4 : 0};
}

void draw_sheet(const Easel& easel, const Sheet& sheet, const Cloth& cloth) {
  const Head& head = easel.head;
  const Path outline = sheet.outline(head);
  const Colour shadow = 0.62F * cloth.colour;
  const Colour gleam = mix(cloth.colour, Colour{1.1F, 1.1F, 1.1F}, 0.6F);

  easel.fill(outline, cloth.colour);
  const float reach = std::abs(sheet.bottom - sheet.top);
  const float side = easel.light.x < 0 ? -1.0F : 1.0F;
  easel.glow(outline, sheet.at(head, 0.35F * side, 0.35F), 0.35F, 0.4F * reach, gleam, 0.35F);
  switch (cloth.make) {
    case Make::pleated:
      easel.line(sheet.across(head, 0.07F, 0.9F), 0.02F, 0.02F, shadow, 0.35F);
      for (const float t : {0.33F, 0.53F, 0.73F}) {
        easel.line(sheet.across(head, t), 0.035F, 0.035F, shadow, 0.55F);
        easel.line(sheet.across(head, t + 0.05F), 0.03F, 0.03F, gleam, 0.45F);
      }
      break;
    case Make::sewn: {
      Path seam;
      for (int i = 0; i <= 4; ++i) seam.push_back(sheet.at(head, 0, i / 4.0F));
      easel.line(seam, 0.03F, 0.03F, shadow, 0.6F);
      easel.line(sheet.across(head, 0.08F), 0.018F, 0.018F, shadow, 0.5F);
      easel.line(sheet.across(head, 0.92F), 0.018F, 0.018F, shadow, 0.5F);
      for (int row = 1; row <= cloth.dots; ++row) {
        for (int i = -3; i <= 3; ++i) {
          const Point spot = sheet.at(head, (i + 0.5F * (row % 2)) / 4, row / (cloth.dots + 1.0F));
          const float size = 0.035F * easel.radius();
          easel.fill(ellipse(spot, size, size), rgb(0xfff6e0), 0.9F);
        }
      }
      break;
    }
    case Make::folded:
      easel.line(sheet.across(head, 0.5F), 0.04F, 0.04F, shadow, 0.5F);
      easel.line(sheet.across(head, 0.46F), 0.03F, 0.03F, gleam, 0.5F);
      easel.line(
          {sheet.at(head, -0.2F, 0.1F), sheet.at(head, 0, 0.07F), sheet.at(head, 0.2F, 0.1F)},
          0.035F, 0.035F, rgb(0x9aa4ac), 0.7F);
      break;
  }
  Path edge = outline;
  edge.push_back(outline.front());
  easel.fill(stroke(edge, 0.022F * easel.radius(), 0.022F * easel.radius()), shadow, 0.7F);
}

/// Elastic from the corners of the sheet to behind the ear of each side that can be seen.
void draw_straps(const Easel& easel, const Sheet& sheet, const Cloth& cloth) {
  const Head& head = easel.head;
  for (const float side : {-1.0F, 1.0F}) {
    if (!head.shows_side(side)) continue;
    const float w = head.half_width(0.1F);
    for (const bool upper : {true, false}) {
      const Point corner = sheet.at(head, 0.97F * side, upper ? 0.06F : 0.9F);
      const Point ear = head.place(side * (w + 0.04F), upper ? -0.08F : 0.3F, -0.05F);
      const Point between = mix(corner, ear, 0.5F) + Point{0, 0.03F * easel.radius()};
      easel.line({corner, between, ear}, 0.035F, 0.03F, cloth.strap, 0.95F);
    }
  }
}

/// A mask that hangs from one ear by one of its straps, seen half from its edge.
void draw_hanging(const Easel& easel, const Cloth& cloth, Dice& dice) {
  float side = dice.chance(0.5F) ? -1 : 1;
  if (!easel.head.shows_side(side)) side = -side;
  const Point ear = easel.head.beside(side, 0.1F, 0.02F);
  const float r = easel.radius();
  const float lean = -side * dice.uniform(0.05F, 0.3F);
  const float c = std::cos(lean);
  const float s = std::sin(lean);
  const auto hang = [&](float x, float y) {
    return ear + r * Point{x * side * c - y * s, x * side * s + y * c};
  };
  easel.line({hang(-0.08F, -0.16F), hang(0.1F, -0.1F), hang(0.02F, 0.22F)}, 0.035F, 0.035F,
             cloth.strap);
  easel.line({hang(-0.08F, -0.16F), hang(-0.16F, 0.05F), hang(-0.24F, 0.3F)}, 0.035F, 0.035F,
             cloth.strap);
  easel.line({hang(-0.2F, 1.0F), hang(-0.1F, 1.3F), hang(0.12F, 1.32F), hang(0.16F, 0.98F)}, 0.03F,
             0.03F, cloth.strap);
  const Path sheet =
      smooth_loop({hang(-0.28F, 0.3F), hang(0, 0.2F), hang(0.22F, 0.28F), hang(0.32F, 0.6F),
                   hang(0.22F, 0.98F), hang(0, 1.06F), hang(-0.24F, 1.02F), hang(-0.3F, 0.65F)});
  const Colour shadow = 0.62F * cloth.colour;
  easel.canvas.fill(sheet, easel.lit(cloth.colour));
  easel.glow(sheet, hang(-0.1F, 0.6F), 0.3F, 0.4F, mix(cloth.colour, Colour{1, 1, 1}, 0.5F), 0.3F);
  for (const float x : {-0.12F, 0.02F, 0.15F}) {
    easel.line({hang(x - 0.02F, 0.3F), hang(x + 0.06F, 0.62F), hang(x - 0.02F, 0.98F)}, 0.03F,
               0.03F, shadow, 0.6F);
  }
  Path edge = sheet;
  edge.push_back(sheet.front());
  easel.fill(stroke(edge, 0.022F * r, 0.022F * r), shadow, 0.7F);
}

}  // namespace

void draw_mask(const Easel& easel, MaskWear wear, Dice& dice) {
  const Cloth cloth = random_cloth(dice);
  if (wear == MaskWear::from_ear) return draw_hanging(easel, cloth, dice);
  const float slip = dice.uniform(-0.04F, 0.04F);
  Sheet sheet{};
  switch (wear) {
    case MaskWear::over_nose:
      sheet = {0.10F + slip, 1.06F + slip, 0.66F, 0.66F, 0.40F, 0.10F, 0.12F};
      break;
    case MaskWear::under_nose:
      sheet = {0.46F + slip, 1.12F + slip, 0.62F, 0.58F, 0.38F, -0.02F, 0.10F};
      break;
    default:
      sheet = {0.80F + slip, 1.22F + slip, 0.56F, 0.50F, 0.32F, -0.06F, 0.10F};
  }
  const float scale = easel.head.half_width(0) / 0.76F;
  for (float* width : {&sheet.top_width, &sheet.middle_width, &sheet.low_width}) *width *= scale;
  draw_straps(easel, sheet, cloth);
  draw_sheet(easel, sheet, cloth);
}

}  // namespace ember
