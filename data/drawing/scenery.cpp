#include "data/drawing/scenery.h"

#include "data/drawing/easel.h"

namespace ember {
namespace {

/// Fills everything from `top` at the upper to `bottom` at the lower edge.
void wash(Canvas& canvas, Colour top, Colour bottom) {
  for (int y = 0; y < canvas.height(); ++y) {
    const Colour colour = mix(top, bottom, (y + 0.5F) / canvas.height());
    for (int x = 0; x < canvas.width(); ++x) canvas.at(x, y) = colour;
  }
}

Colour varied(Colour colour, Dice& dice, float by = 0.12F) {
  return colour * Colour{dice.uniform(1 - by, 1 + by), dice.uniform(1 - by, 1 + by),
                         dice.uniform(1 - by, 1 + by)};
}

void draw_studio(Canvas& canvas, Dice& dice) {
  constexpr Colour kWalls[] = {rgb(0xb8c4cc), rgb(0xd8d0c4), rgb(0x8fa39b), rgb(0xc9b3ab),
                               rgb(0x6f7f92), rgb(0xe4e6e8), rgb(0x9c8fa8)};
  const Colour wall = varied(dice.pick(kWalls), dice);
  wash(canvas, 0.9F * wall, 0.7F * wall);
  const auto w = static_cast<float>(canvas.width());
  const auto h = static_cast<float>(canvas.height());
  canvas.glow({dice.uniform(0.2F, 0.8F) * w, 0.35F * h}, 0.7F * w, 0.8F * h, 1.15F * wall, 0.9F);
}

void draw_lights(Canvas& canvas, Dice& dice) {
  constexpr Colour kLamps[] = {rgb(0xffcf7a), rgb(0xff9a5c), rgb(0x8fd0ff),
                               rgb(0xffe9c2), rgb(0xd58cff), rgb(0x9cf0c0)};
  const Colour night = varied(dice.chance(0.5F) ? rgb(0x39435c) : rgb(0x5c4a44), dice);
  wash(canvas, night, 0.6F * night);
  const auto w = static_cast<float>(canvas.width());
  const auto h = static_cast<float>(canvas.height());
  for (int i = 0; i < 26; ++i) {
    const Point at{dice.uniform(0, w), dice.uniform(0, 0.8F * h)};
    const float size = dice.uniform(0.02F, 0.08F) * w;
    const Colour lamp = dice.pick(kLamps);
    const float alpha = dice.uniform(0.15F, 0.55F);
    canvas.fill(ellipse(at, size, size), [&](Point p) {
      return Ink{lamp, alpha * (0.7F + 0.3F * smoothstep(0.5F, 1, length(p - at) / size))};
    });
  }
}

void draw_hills(Canvas& canvas, Dice& dice) {
  const auto w = static_cast<float>(canvas.width());
  const auto h = static_cast<float>(canvas.height());
  wash(canvas, varied(rgb(0x7fb4e0), dice), rgb(0xe8f0f2));
  for (int i = 0; i < 3; ++i) {
    const Point cloud{dice.uniform(0, w), dice.uniform(0.08F, 0.3F) * h};
    for (int puff = 0; puff < 7; ++puff) {
      const float size = dice.uniform(0.04F, 0.09F) * w;
      const Point at = cloud + Point{dice.uniform(-0.11F, 0.11F) * w, -0.4F * size};
      canvas.glow(at, 1.3F * size, size, rgb(0xffffff), 0.8F);
    }
  }
  const Colour grass = varied(rgb(0x6f9a58), dice);
  for (int ridge = 0; ridge < 3; ++ridge) {
    const float base = (0.42F + 0.16F * ridge) * h;
    Path hill;
    for (int i = -1; i <= 6; ++i)
      hill.push_back({i * w / 5, base + dice.uniform(-0.07F, 0.07F) * h});
    hill = smooth_line(hill);
    const Colour colour = mix(rgb(0x9fb8c4), grass, 0.3F + 0.35F * ridge);
    for (int tree = 0; ridge > 0 && tree < 5; ++tree) {
      const Point at = hill[dice.index(static_cast<int>(hill.size()))];
      const float size = dice.uniform(0.03F, 0.06F) * w * ridge;
      canvas.fill(ellipse(at - Point{0, 0.6F * size}, 0.8F * size, size), 0.72F * colour);
      canvas.glow(at - Point{0.2F * size, size}, 0.6F * size, 0.6F * size, 1.1F * colour, 0.6F);
    }
    hill.push_back({2 * w, 2 * h});
    hill.push_back({-w, 2 * h});
    canvas.fill(hill, [&](Point p) {
      return Ink{mix(colour, 0.75F * colour, smoothstep(base, base + 0.5F * h, p.y))};
    });
  }
}

void draw_street(Canvas& canvas, Dice& dice) {
  constexpr Colour kWalls[] = {rgb(0xb0846a), rgb(0xc9b79c), rgb(0x8a8f98),
                               rgb(0xa5a08f), rgb(0x6f6a70), rgb(0xd2c8bd)};
  const auto w = static_cast<float>(canvas.width());
  const auto h = static_cast<float>(canvas.height());
  wash(canvas, varied(rgb(0x9cc3e0), dice), rgb(0xe6e9ea));
  float left = -dice.uniform(0, 0.1F) * w;
  while (left < w) {
    const float right = left + dice.uniform(0.16F, 0.32F) * w;
    const float roof = dice.uniform(-0.05F, 0.35F) * h;
    const Colour wall = varied(dice.pick(kWalls), dice);
    canvas.fill(rectangle({left, roof}, {right, h}),
                [&](Point p) { return Ink{mix(wall, 0.75F * wall, p.y / h)}; });
    const float step = (right - left) / 4;
    const Colour glass = dice.chance(0.7F) ? rgb(0x5c7080) : rgb(0xf2d794);
    const int floors = static_cast<int>((0.8F * h - roof) / (0.13F * h));
    for (int level = 0; level < floors; ++level) {
      const float y = roof + (0.06F + 0.13F * level) * h;
      for (int i = 0; i < 3; ++i) {
        const Point corner{left + step * (0.65F + i), y};
        const Colour pane = varied(glass, dice, 0.2F);
        canvas.fill(rectangle(corner, corner + Point{0.65F * step, 0.08F * h}), pane, 0.8F);
      }
    }
    left = right;
  }
  const Colour road = rgb(0x77777c);
  canvas.fill(rectangle({0, 0.82F * h}, {w, h}),
              [&](Point p) { return Ink{mix(road, 0.8F * road, (p.y / h - 0.8F) * 5)}; });
}

void draw_room(Canvas& canvas, Dice& dice) {
  constexpr Colour kWalls[] = {rgb(0xdccfb8), rgb(0xc4d0cb), rgb(0xd6c2c2), rgb(0xb9c3d6),
                               rgb(0xe6e0d6)};
  constexpr Colour kThings[] = {rgb(0xa65a3f), rgb(0x3f6b7a), rgb(0xc99a3a),
                                rgb(0x5f7f55), rgb(0x7a4a6b), rgb(0x444a55)};
  const auto w = static_cast<float>(canvas.width());
  const auto h = static_cast<float>(canvas.height());
  const Colour wall = varied(dice.pick(kWalls), dice);
  wash(canvas, wall, 0.82F * wall);

  const Point window{dice.uniform(-0.1F, 0.65F) * w, dice.uniform(0.05F, 0.15F) * h};
  const Point size{0.36F * w, 0.46F * h};
  const Colour frame = rgb(0xf5f2ea);
  canvas.fill(
      rectangle(window - Point{0.02F * w, 0.02F * w}, window + size + Point{0.02F * w, 0.02F * w}),
      frame);
  canvas.fill(rectangle(window, window + size), [&](Point p) {
    return Ink{mix(rgb(0xa9d2f0), rgb(0xf0f6f4), (p.y - window.y) / size.y)};
  });
  canvas.fill(rectangle(window + Point{0.49F * size.x, 0}, window + Point{0.52F * size.x, size.y}),
              frame);
  canvas.fill(rectangle(window + Point{0, 0.48F * size.y}, window + Point{size.x, 0.52F * size.y}),
              frame);

  const float shelf = dice.uniform(0.3F, 0.5F) * h;
  float x = window.x > 0.3F * w ? 0.02F * w : window.x + size.x + 0.08F * w;
  const float end = std::min(x + 0.34F * w, w);
  canvas.fill(rectangle({x, shelf}, {end, shelf + 0.025F * h}), rgb(0x7a5a3f));
  while (x < end - 0.03F * w) {
    const float thick = dice.uniform(0.015F, 0.035F) * w;
    const float tall = dice.uniform(0.1F, 0.18F) * h;
    canvas.fill(rectangle({x, shelf - tall}, {x + thick, shelf}), varied(dice.pick(kThings), dice));
    x += thick + 0.003F * w;
  }
  canvas.fill(rectangle({0, 0.8F * h}, {w, h}), 0.62F * wall);
}

}  // namespace

void draw_scenery(Canvas& canvas, Dice& dice) {
  constexpr void (*kSceneries[])(Canvas&, Dice&) = {draw_studio, draw_lights, draw_hills,
                                                    draw_street, draw_room};
  dice.pick(kSceneries)(canvas, dice);
}

}  // namespace ember
