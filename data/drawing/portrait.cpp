#include "data/drawing/portrait.h"

#include "data/drawing/easel.h"

namespace ember {
namespace {

constexpr Colour kSkins[] = {rgb(0xf7d7c4), rgb(0xf0c8a8), rgb(0xe8b58f), rgb(0xd9a07a),
                             rgb(0xc68b62), rgb(0xa9714b), rgb(0x885538), rgb(0x653d28)};
constexpr Colour kHairs[] = {rgb(0x1d1a1a), rgb(0x2b2220), rgb(0x3d2a20), rgb(0x5a3a25),
                             rgb(0x7d5130), rgb(0xb08850), rgb(0xd9bd83), rgb(0x9a4a28),
                             rgb(0xa9a8a8), rgb(0xd9d8d6)};
constexpr Colour kEyes[] = {rgb(0x3a2618), rgb(0x4b3220), rgb(0x5d6b3a), rgb(0x3f6b94),
                            rgb(0x6b7f8a)};
constexpr Colour kCloths[] = {rgb(0x2b3a55), rgb(0x7a2e3a), rgb(0x3f5f4a), rgb(0xcfc7b8),
                              rgb(0x8c8f96), rgb(0x25262b), rgb(0xd98b3a), rgb(0x5d4a7d),
                              rgb(0xe9e9ec), rgb(0x3b82a0), rgb(0xb9506a), rgb(0x6b7a3a)};

struct Looks {
  Colour skin, eyes, cloth, under_cloth;
  Hair hair;
  float width, jaw;   ///< proportions of the head
  float eye_opening;  ///< 1 is ordinary
  float smile;        ///< of the mouth's corners; below 0 they hang
  bool teeth, made_up, stubble, glasses, collar;
};

Looks random_looks(Dice& dice) {
  Looks looks{};
  const int skin = dice.index(std::size(kSkins));
  looks.skin = kSkins[skin];
  // Dark hair goes with every skin, the fair colours with the fairer ones.
  looks.hair.colour = kHairs[dice.index(skin < 3 ? std::size(kHairs) : 4)];
  looks.eyes = kEyes[dice.index(skin < 3 ? std::size(kEyes) : 2)];
  looks.cloth = dice.pick(kCloths);
  looks.under_cloth = dice.pick(kCloths);
  looks.hair.style = static_cast<Hairstyle>(
      dice.weighted({5, 4, 2, 5, 2, 2, 1, 1.2F, 1.2F}));  // in the order of Hairstyle
  looks.hair.cloth = dice.pick(kCloths);
  looks.hair.side = dice.chance(0.5F) ? -1 : 1;
  looks.width = dice.uniform(0.94F, 1.06F);
  looks.jaw = dice.uniform(0.92F, 1.1F);
  looks.eye_opening = dice.uniform(0.8F, 1.15F);
  looks.smile = dice.uniform(-0.25F, 1);
  looks.teeth = looks.smile > 0.45F && dice.chance(0.5F);
  const bool lush = looks.hair.style == Hairstyle::long_hair ||
                    looks.hair.style == Hairstyle::bangs || looks.hair.style == Hairstyle::bun ||
                    looks.hair.style == Hairstyle::scarf;
  looks.made_up = lush && dice.chance(0.7F);
  looks.stubble = !lush && dice.chance(0.25F);
  looks.glasses = dice.chance(0.15F);
  looks.collar = dice.chance(0.4F);
  return looks;
}

void draw_body(const Easel& easel, const Looks& looks) {
  const auto at = [&](float x, float y) { return easel.body(x, y); };
  const Canvas& canvas = easel.canvas;
  const float low = (canvas.height() - easel.head.pose().centre.y) / easel.radius() + 1;
  const float waist = std::max(low, 3.7F);
  const Point left = easel.head.beside(-1, 0.55F, -0.2F);
  const Point right = easel.head.beside(1, 0.55F, -0.2F);

  const Path neck = smooth_loop({left, at(-0.38F, 1.1F), at(-0.6F, 1.4F), at(0, 1.75F),
                                 at(0.6F, 1.4F), at(0.38F, 1.1F), right});
  const Colour neck_skin = 0.84F * looks.skin;
  easel.canvas.fill(neck, easel.lit(neck_skin));
  easel.glow(neck, easel.head.place(0, 1.05F, 0.1F), 0.7F, 0.45F, 0.42F * looks.skin, 0.85F);

  Path torso = smooth_line({at(-0.5F, 1.2F), at(-0.85F, 1.4F), at(-1.4F, 1.62F), at(-1.75F, 2.1F),
                            at(-1.9F, 2.7F), at(-2.1F, 3.6F)});
  torso.push_back(at(-2.2F, waist));
  torso.push_back(at(2.2F, waist));
  const Path torso_right = smooth_line({at(2.1F, 3.6F), at(1.9F, 2.7F), at(1.75F, 2.1F),
                                        at(1.4F, 1.62F), at(0.85F, 1.4F), at(0.5F, 1.2F)});
  torso.insert(torso.end(), torso_right.begin(), torso_right.end());
  const Path neckline =
      smooth_line({at(0.5F, 1.2F), at(0.3F, 1.52F), at(0, looks.collar ? 1.85F : 1.64F),
                   at(-0.3F, 1.52F), at(-0.5F, 1.2F)});
  torso.insert(torso.end(), neckline.begin(), neckline.end());
  const Point middle = at(0.5F * easel.light.x, 2);
  easel.canvas.fill(torso, [&](Point p) {
    const Point from = (1 / easel.radius()) * (p - middle);
    const float shade =
        1.05F - 0.22F * smoothstep(0.3F, 1.9F, std::abs(from.x)) - 0.1F * smoothstep(0, 2, from.y);
    return Ink{shade * easel.lit(looks.cloth)};
  });
  const auto crease = [&](const Path& through, float width, float alpha) {
    easel.canvas.fill(stroke(smooth_line(through), width * easel.radius(), width * easel.radius()),
                      easel.lit(0.55F * looks.cloth), alpha);
  };
  if (looks.collar) {
    const Colour paper = easel.lit(mix(looks.under_cloth, Colour{1, 1, 1}, 0.5F));
    for (const float side : {-1.0F, 1.0F}) {
      easel.canvas.fill({at(side * 0.5F, 1.15F), at(side * 0.66F, 1.4F), at(side * 0.36F, 1.84F),
                         at(side * 0.02F, 1.86F), at(side * 0.3F, 1.52F)},
                        paper);
    }
    crease({at(0, 1.88F), at(0, 2.3F), at(0, waist)}, 0.03F, 0.7F);
  } else {
    crease({at(0.52F, 1.22F), at(0.32F, 1.55F), at(0, 1.68F), at(-0.32F, 1.55F), at(-0.52F, 1.22F)},
           0.06F, 0.5F);
  }
  for (const float side : {-1.0F, 1.0F}) {
    crease({at(side * 1.15F, 2.05F), at(side * 1.2F, 2.5F), at(side * 1.25F, waist)}, 0.04F, 0.5F);
  }
}

void draw_ear(const Easel& easel, const Looks& looks, float side) {
  const Head& head = easel.head;
  const float w = head.half_width(0.1F);
  const Point centre = mix(head.place(side * w, 0.1F, -0.02F), head.beside(side, 0.1F), 0.7F);
  const float r = easel.radius();
  const float tilt = head.pose().roll + side * 0.15F;
  easel.fill(ellipse(centre, 0.13F * r, 0.22F * r, tilt), 0.95F * looks.skin);
  easel.fill(ellipse(centre, 0.07F * r, 0.14F * r, tilt), 0.72F * looks.skin, 0.7F);
}

void draw_eye(const Easel& easel, const Looks& looks, float side, Point gaze) {
  const Head& head = easel.head;
  const float open = looks.eye_opening;
  const Point middle{side * 0.33F, -0.02F};
  const auto at = [&](float x, float y) {
    return head.on_face(middle.x + side * x, middle.y + y * open, 0.02F);
  };
  easel.glow(easel.face, at(-0.02F, -0.03F), 0.28F, 0.2F, 0.7F * looks.skin, 0.4F);
  const Path opening = smooth_loop({at(-0.16F, 0.02F), at(-0.08F, -0.065F), at(0.03F, -0.09F),
                                    at(0.16F, -0.01F), at(0.07F, 0.065F), at(-0.06F, 0.065F)});
  const Point iris = at(side * gaze.x, gaze.y);
  const float size = 0.082F * easel.radius();
  easel.canvas.fill(opening, [&](Point p) {
    const float from = length(p - iris) / size;
    const float edge = 0.7F / size;
    const Colour ring = mix(rgb(0x0c0a0a), looks.eyes, smoothstep(0.42F - edge, 0.5F + edge, from));
    const Colour eye = mix(ring, rgb(0xf6f3ee), smoothstep(1 - edge, 1 + edge, from));
    return Ink{easel.lit(eye)};
  });
  const float spark = 0.026F * easel.radius();
  easel.canvas.fill(
      ellipse(iris + (0.03F * easel.radius()) * Point{easel.light.x, -1}, spark, spark),
      Colour{1, 1, 1}, 0.9F);
  const Colour lash =
      looks.made_up ? rgb(0x15100f) : mix(0.4F * looks.skin, looks.hair.colour, 0.5F);
  easel.line({at(-0.17F, 0.03F), at(-0.08F, -0.065F), at(0.03F, -0.09F), at(0.18F, -0.02F)}, 0.025F,
             looks.made_up ? 0.06F : 0.035F, lash, 0.95F);
  easel.line({at(-0.06F, 0.07F), at(0.07F, 0.07F), at(0.16F, 0)}, 0.012F, 0.02F, 0.5F * looks.skin,
             0.6F);
  easel.line({at(-0.13F, -0.09F), at(0.02F, -0.15F), at(0.17F, -0.08F)}, 0.015F, 0.01F,
             0.6F * looks.skin, 0.6F);
}

void draw_brow(const Easel& easel, const Looks& looks, float side) {
  const Head& head = easel.head;
  const float lift = 0.04F * looks.smile;
  const Colour brow =
      looks.hair.style == Hairstyle::bald ? rgb(0x4a3a30) : 0.8F * looks.hair.colour;
  easel.line(head.on_face({{side * 0.16F, -0.2F - lift},
                           {side * 0.32F, -0.27F - lift},
                           {side * 0.52F, -0.2F - lift}},
                          0.02F),
             looks.made_up ? 0.055F : 0.08F, 0.03F, brow, 0.85F);
}

void draw_nose(const Easel& easel, const Looks& looks) {
  const Head& head = easel.head;
  const Colour shadow = 0.62F * looks.skin;
  const float far = easel.light.x < 0 ? 1.0F : -1.0F;  // the side away from the light
  const auto at = [&](float x, float y, float lift) { return head.on_face(x, y, lift); };
  easel.line(
      {at(far * 0.1F, -0.12F, 0.02F), at(far * 0.08F, 0.1F, 0.08F), at(far * 0.15F, 0.3F, 0.08F)},
      0.02F, 0.06F, shadow, 0.3F);
  easel.glow(easel.face, at(far * 0.16F, 0.28F, 0.05F), 0.14F, 0.2F, shadow, 0.45F);
  easel.glow(easel.face, at(0, 0.42F, 0.08F), 0.22F, 0.1F, shadow, 0.65F);
  easel.glow(easel.face, at(-0.3F * far * 0.1F, 0.29F, 0.17F), 0.11F, 0.11F,
             mix(looks.skin, Colour{1.1F, 1.1F, 1.1F}, 0.6F), 0.55F);
  easel.glow(easel.face, at(-0.02F * far, 0.05F, 0.12F), 0.05F, 0.22F,
             mix(looks.skin, Colour{1.1F, 1.1F, 1.1F}, 0.5F), 0.4F);
  for (const float side : {-1.0F, 1.0F}) {
    easel.line({at(side * 0.15F, 0.27F, 0.05F), at(side * 0.17F, 0.34F, 0.05F),
                at(side * 0.12F, 0.39F, 0.08F)},
               0.02F, 0.025F, shadow, 0.7F);
    easel.fill(ellipse(at(side * 0.075F, 0.385F, 0.12F), 0.042F * easel.radius(),
                       0.024F * easel.radius(), head.pose().roll - side * 0.3F),
               0.3F * looks.skin, 0.85F);
  }
}

void draw_mouth(const Easel& easel, const Looks& looks) {
  const Head& head = easel.head;
  const float corner = 0.62F - 0.07F * looks.smile;
  const float width = 0.25F + 0.04F * looks.smile;
  const float low = 0.66F + 0.03F * looks.smile;
  const Colour lips = looks.made_up ? mix(looks.skin, rgb(0xb3243c), 0.65F)
                                    : mix(0.8F * looks.skin, rgb(0xb0504c), 0.4F);
  const auto at = [&](float x, float y) { return head.on_face(x, y, 0.03F); };
  easel.glow(easel.face, at(0, 0.8F), 0.25F, 0.07F, 0.65F * looks.skin, 0.5F);
  easel.fill(smooth_loop({at(-width, corner), at(-0.1F, 0.575F), at(0, 0.59F), at(0.1F, 0.575F),
                          at(width, corner), at(0.13F, low + 0.06F), at(0, low + 0.08F),
                          at(-0.13F, low + 0.06F)}),
             lips);
  const Path inner = smooth_loop({at(-width + 0.04F, corner + 0.005F), at(0, 0.625F),
                                  at(width - 0.04F, corner + 0.005F), at(0.1F, low),
                                  at(0, low + 0.02F), at(-0.1F, low)});
  if (looks.teeth) {
    easel.fill(inner, rgb(0xf7f4ee));
    easel.line({at(-width + 0.03F, corner), at(0, low + 0.02F), at(width - 0.03F, corner)}, 0.015F,
               0.015F, 0.35F * lips, 0.8F);
  } else {
    easel.line({at(-width, corner), at(-0.09F, low - 0.025F), at(0, low - 0.015F),
                at(0.09F, low - 0.025F), at(width, corner)},
               0.022F, 0.022F, 0.35F * lips, 0.9F);
  }
  easel.glow(easel.face, at(0.03F, low + 0.045F), 0.09F, 0.025F, mix(lips, Colour{1, 1, 1}, 0.5F),
             0.5F);
}

void draw_stubble(const Easel& easel, const Looks& looks) {
  const Head& head = easel.head;
  const Path beard = smooth_loop(head.on_face({{-0.66F, 0.3F},
                                               {-0.4F, 0.52F},
                                               {-0.2F, 0.48F},
                                               {0, 0.46F},
                                               {0.2F, 0.48F},
                                               {0.4F, 0.52F},
                                               {0.66F, 0.3F},
                                               {0.58F, 0.66F},
                                               {0.3F, 0.96F},
                                               {0, 1.02F},
                                               {-0.3F, 0.96F},
                                               {-0.58F, 0.66F}}));
  const Colour stubble = mix(looks.skin, looks.hair.colour, 0.5F);
  easel.glow(beard, head.on_face(0, 0.85F), 0.8F, 0.6F, stubble, 0.7F);
}

void draw_glasses(const Easel& easel) {
  const Head& head = easel.head;
  const Colour frame = rgb(0x1b1b20);
  for (const float side : {-1.0F, 1.0F}) {
    Path rim;
    for (const Point& p : ellipse({side * 0.34F, 0.0F}, 0.235F, 0.19F)) {
      rim.push_back(head.on_face(p.x, p.y, 0.08F));
    }
    rim.push_back(rim.front());
    easel.fill(rim, rgb(0xdfefff), 0.12F);
    easel.fill(stroke(rim, 0.035F * easel.radius(), 0.035F * easel.radius()), frame, 0.9F);
    if (head.shows_side(side)) {
      easel.line({head.on_face(side * 0.57F, -0.03F, 0.08F),
                  head.place(side * head.half_width(0), -0.05F, 0)},
                 0.035F, 0.03F, frame, 0.9F);
    }
  }
  easel.line(head.on_face({{-0.11F, -0.02F}, {0, -0.06F}, {0.11F, -0.02F}}, 0.1F), 0.035F, 0.035F,
             frame, 0.9F);
}

}  // namespace

Path draw_person(Canvas& canvas, const Pose& pose, MaskWear wear, const Light& light, Dice& dice) {
  const Looks looks = random_looks(dice);
  const Head head(pose, looks.width, looks.jaw);
  Path face = head.silhouette();
  const Easel easel{canvas, head, face, light};
  const Point gaze{dice.uniform(-0.04F, 0.04F), dice.uniform(-0.02F, 0.03F)};

  draw_hair_behind(easel, looks.hair, dice);
  draw_body(easel, looks);
  for (const float side : {-1.0F, 1.0F}) draw_ear(easel, looks, side);
  easel.fill(face, looks.skin);
  const Colour blush = mix(looks.skin, rgb(0xd8504c), 0.45F);
  for (const float side : {-1.0F, 1.0F}) {
    easel.glow(easel.face, head.on_face(side * 0.42F, 0.32F), 0.26F, 0.2F, blush, 0.35F);
    draw_eye(easel, looks, side, gaze);
    draw_brow(easel, looks, side);
  }
  if (looks.stubble) draw_stubble(easel, looks);
  draw_mouth(easel, looks);
  draw_nose(easel, looks);
  draw_hair_before(easel, looks.hair, dice);
  if (looks.glasses) draw_glasses(easel);
  if (wear != MaskWear::none) draw_mask(easel, wear, dice);
  return face;
}

}  // namespace ember
