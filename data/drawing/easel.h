#pragma once

#include "data/drawing/canvas.h"
#include "data/drawing/dice.h"
#include "data/drawing/head.h"
#include "data/drawing/portrait.h"

namespace ember {

/// A colour as 0xRRGGBB.
constexpr Colour rgb(uint32_t hex) {
  return {(hex >> 16 & 255) / 255.0F, (hex >> 8 & 255) / 255.0F, (hex & 255) / 255.0F};
}

/// What the parts of a portrait are drawn with. Lengths are in units of the head's radius.
struct Easel {
  Canvas& canvas;
  const Head& head;
  const Path& face;  ///< the head's silhouette
  const Light& light;

  float radius() const { return head.pose().radius; }
  /// A place of the body, which does not turn with the head.
  Point body(float x, float y) const { return head.pose().centre + radius() * Point{x, y}; }
  Colour lit(Colour colour) const {
    return (light.ambient + 0.6F * light.diffuse) * (colour * light.tint);
  }

  /// Fills a shape of the picture with the light that falls on the head there.
  void fill(const Path& shape, Colour colour, float alpha = 1) const {
    canvas.fill(shape, [&](Point p) {
      return Ink{head.shade(p, light) * (colour * light.tint), alpha};
    });
  }
  /// A soft spot around a place of the picture, within a shape.
  void glow(const Path& within, Point centre, float rx, float ry, Colour colour,
            float alpha) const {
    canvas.glow(within, centre, rx * radius(), ry * radius(), lit(colour), alpha);
  }
  /// The line through places of the picture.
  void line(const Path& through, float start, float end, Colour colour, float alpha = 1) const {
    fill(stroke(smooth_line(through), start * radius(), end * radius()), colour, alpha);
  }
};

enum class Hairstyle { short_hair, fringe, bangs, long_hair, bun, curls, bald, beanie, scarf };

/// Hair (or what covers it) and its colour.
struct Hair {
  Hairstyle style;
  Colour colour;
  Colour cloth;
  float side;  ///< where the parting is, left (-1) or right (1)
};

void draw_hair_behind(const Easel& easel, const Hair& hair, Dice dice);
void draw_hair_before(const Easel& easel, const Hair& hair, Dice dice);
void draw_mask(const Easel& easel, MaskWear wear, Dice& dice);

}  // namespace ember
