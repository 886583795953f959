#include "data/drawing/easel.h"

namespace ember {
namespace {

/// The shape between the head's outline, scaled by 1 + `volume`, from height `low_y` on the left
/// over the crown down to it on the right, and the line `hairline` on the face, right to left.
Path cap(const Head& head, float low_y, float volume, const Path& hairline) {
  constexpr int kSteps = 5;
  const Point centre = head.pose().centre;
  Path outer;
  const auto add = [&](float side, float y) {
    const float scale = 1 + volume * smoothstep(low_y + 0.3F, low_y - 0.5F, y);
    outer.push_back(centre + scale * (head.beside(side, y) - centre));
  };
  for (int i = 0; i <= kSteps; ++i) add(-1, mix(low_y, -0.92F, static_cast<float>(i) / kSteps));
  add(1, -1);
  for (int i = kSteps; i >= 0; --i) add(1, mix(low_y, -0.92F, static_cast<float>(i) / kSteps));
  Path path = smooth_line(outer);
  const Path inner = smooth_line(head.on_face(hairline));
  path.insert(path.end(), inner.begin(), inner.end());
  return path;
}

/// Fills hair with a band of gloss round the crown.
void fill_hair(const Easel& easel, const Path& shape, Colour colour) {
  const Point crown = easel.head.place(0.2F * easel.light.x, -0.5F, 0.7F);
  easel.canvas.fill(shape, [&](Point p) {
    const Point from = (1 / easel.radius()) * (p - crown);
    const float distance = length({0.8F * from.x, from.y});
    const float gloss = smoothstep(0.2F, 0.34F, distance) * smoothstep(0.52F, 0.38F, distance);
    const Colour base = mix(colour, Colour{1, 0.97F, 0.92F}, 0.2F * gloss);
    return Ink{easel.head.shade(p, easel.light) * (base * easel.light.tint)};
  });
}

/// Strands from the parting down to the hairline, darker and lighter than the rest.
void draw_strands(const Easel& easel, const Hair& hair, const Path& hairline, Dice& dice) {
  for (size_t i = 0; i + 1 < hairline.size(); ++i) {
    for (int strand = 0; strand < 3; ++strand) {
      const Point end = mix(hairline[i], hairline[i + 1], dice.uniform(0, 1));
      const Point root{hair.side * 0.25F + 0.3F * end.x, -0.95F};
      const Point middle = mix(root, end, 0.5F) + Point{0.12F * end.x, -0.05F};
      const Colour tone = dice.chance(0.6F) ? 0.6F * hair.colour : 1.5F * hair.colour;
      easel.line(easel.head.on_face({root, middle, end}), 0.012F, 0.02F, tone, 0.35F);
    }
  }
}

Path mirrored(Path path, float side) {
  if (side > 0) return path;
  for (Point& p : path) p.x = -p.x;
  std::reverse(path.begin(), path.end());
  return path;
}

/// Where hair ends on the face, from the right ear to the left one, for a parting on the right.
Path hairline_of(Hairstyle style, float temple) {
  switch (style) {
    case Hairstyle::bangs:
      return {{temple, 0.05F},  {0.66F, -0.2F},   {0.45F, -0.25F}, {0.15F, -0.23F},
              {-0.15F, -0.25F}, {-0.45F, -0.23F}, {-0.66F, -0.2F}, {-temple, 0.05F}};
    case Hairstyle::fringe:
    case Hairstyle::long_hair:
      return {{temple, 0.05F}, {0.66F, -0.25F},  {0.48F, -0.55F},  {0.28F, -0.72F},
              {0.0F, -0.52F},  {-0.36F, -0.38F}, {-0.64F, -0.22F}, {-temple, 0.1F}};
    case Hairstyle::beanie:
      return {{temple, -0.30F}, {0.45F, -0.42F}, {0, -0.46F}, {-0.45F, -0.42F}, {-temple, -0.30F}};
    default:
      return {{temple, 0.0F}, {0.66F, -0.28F}, {0.5F, -0.52F},   {0.2F, -0.6F},
              {-0.2F, -0.6F}, {-0.5F, -0.52F}, {-0.66F, -0.28F}, {-temple, 0.0F}};
  }
}

void draw_curls(const Easel& easel, const Hair& hair, Dice& dice) {
  for (int i = 0; i < 26; ++i) {
    const float along = dice.uniform(-1, 1);
    const float y = std::abs(along) > 0.3F ? dice.uniform(-1, 0.1F) : -1;
    const Point at = std::abs(along) > 0.3F
                         ? easel.head.beside(along < 0 ? -1 : 1, y, dice.uniform(0, 0.12F))
                         : easel.head.place(2.2F * along, -1 - dice.uniform(0, 0.12F), 0);
    const float size = easel.radius() * dice.uniform(0.16F, 0.24F);
    easel.fill(ellipse(at, size, size), dice.uniform(0.8F, 1.1F) * hair.colour);
  }
}

void draw_beanie(const Easel& easel, const Hair& hair) {
  const Head& head = easel.head;
  const Path edge = hairline_of(Hairstyle::beanie, head.half_width(0));
  fill_hair(easel, cap(head, -0.3F, 0.16F, edge), hair.cloth);
  Path upper = edge;
  Path lower = edge;
  for (Point& p : upper) p.y -= 0.16F;
  for (Point& p : lower) p.y += 0.04F;
  Path band = smooth_line(head.on_face(upper, 0.06F));
  const Path back = smooth_line(head.on_face(lower, 0.06F));
  band.insert(band.end(), back.rbegin(), back.rend());
  easel.fill(band, 0.8F * hair.cloth);
  for (int i = 1; i < 8; ++i) {
    const float x = 0.72F * (i / 4.0F - 1);
    easel.line(head.on_face(Path{{x, -0.6F}, {x, -0.4F}}, 0.06F), 0.02F, 0.02F, 0.6F * hair.cloth,
               0.6F);
  }
}

/// The scarf's cloth round the face: the head's outline, widened, but for the opening, which winds
/// the other way.
void draw_scarf(const Easel& easel, const Hair& hair) {
  const Head& head = easel.head;
  Path shape = head.silhouette(0.1F);
  const Path opening = smooth_loop(head.on_face({{0, -0.62F},
                                                 {0.42F, -0.5F},
                                                 {0.66F, -0.1F},
                                                 {0.64F, 0.35F},
                                                 {0.48F, 0.74F},
                                                 {0.2F, 0.97F},
                                                 {-0.2F, 0.97F},
                                                 {-0.48F, 0.74F},
                                                 {-0.64F, 0.35F},
                                                 {-0.66F, -0.1F},
                                                 {-0.42F, -0.5F}}));
  shape.push_back(shape.front());
  shape.insert(shape.end(), opening.begin(), opening.end());
  shape.push_back(opening.front());
  easel.fill(shape, hair.cloth);
  for (const float fold : {0.0F, 0.05F}) {
    easel.line(head.on_face({{-0.62F - fold, -0.3F},
                             {-0.4F, -0.62F - fold},
                             {0, -0.74F - fold},
                             {0.4F, -0.62F - fold},
                             {0.62F + fold, -0.3F}}),
               0.02F, 0.02F, 0.7F * hair.cloth, 0.6F);
  }
}

}  // namespace

void draw_hair_behind(const Easel& easel, const Hair& hair, Dice dice) {
  const Head& head = easel.head;
  switch (hair.style) {
    case Hairstyle::long_hair:
    case Hairstyle::bangs: {
      const float low = hair.style == Hairstyle::bangs ? 0.95F : dice.uniform(1.25F, 1.7F);
      const Path shape = smooth_loop(
          {head.beside(-1, -0.8F, 0.1F), head.beside(-1, -0.2F, 0.18F), easel.body(-1.0F, 0.5F),
           easel.body(-0.95F, low), easel.body(-0.4F, low + 0.08F), easel.body(0.4F, low + 0.08F),
           easel.body(0.95F, low), easel.body(1.0F, 0.5F), head.beside(1, -0.2F, 0.18F),
           head.beside(1, -0.8F, 0.1F), head.beside(1, -1.1F)});
      easel.fill(shape, 0.72F * hair.colour);
      break;
    }
    case Hairstyle::bun: {
      const float size = 0.32F * easel.radius();
      easel.fill(ellipse(head.place(0.1F * hair.side, -1.2F, -0.2F), 1.1F * size, size),
                 0.9F * hair.colour);
      break;
    }
    case Hairstyle::curls:
      draw_curls(easel, hair, dice);
      break;
    case Hairstyle::scarf: {
      const Path shape = smooth_loop(
          {head.beside(-1, -0.6F, 0.1F), head.beside(-1, 0.2F, 0.14F), easel.body(-0.72F, 0.9F),
           easel.body(-0.95F, 1.5F), easel.body(-0.3F, 1.75F), easel.body(0.4F, 1.7F),
           easel.body(0.95F, 1.5F), easel.body(0.72F, 0.9F), head.beside(1, 0.2F, 0.14F),
           head.beside(1, -0.6F, 0.1F), head.beside(1, -1.1F)});
      easel.fill(shape, 0.8F * hair.cloth);
      break;
    }
    default:
      break;
  }
}

void draw_hair_before(const Easel& easel, const Hair& hair, Dice dice) {
  const Head& head = easel.head;
  switch (hair.style) {
    case Hairstyle::bald:
      return;
    case Hairstyle::beanie:
      return draw_beanie(easel, hair);
    case Hairstyle::scarf:
      return draw_scarf(easel, hair);
    default: {
      const Path hairline = mirrored(hairline_of(hair.style, head.half_width(0)), hair.side);
      const bool sleek = hair.style == Hairstyle::bun;
      const float volume = sleek ? 0.05F : dice.uniform(0.08F, 0.16F);
      fill_hair(easel, cap(head, 0.08F, volume, hairline), hair.colour);
      draw_strands(easel, hair, hairline, dice);
    }
  }
}

}  // namespace ember
