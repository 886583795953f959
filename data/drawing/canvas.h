#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace ember {

/// A place or a direction in the picture's plane, in pixels unless said otherwise; y points down.
struct Point {
  float x = 0;
  float y = 0;
};

constexpr Point operator+(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }
constexpr Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
constexpr Point operator*(float factor, Point a) { return {factor * a.x, factor * a.y}; }
inline float length(Point a) { return std::sqrt(a.x * a.x + a.y * a.y); }

/// Display values of red, green and blue, 0 to 1; brighter ones are clipped when the canvas is
/// read.
struct Colour {
  float r = 0;
  float g = 0;
  float b = 0;
};

constexpr Colour operator+(Colour a, Colour b) { return {a.r + b.r, a.g + b.g, a.b + b.b}; }
constexpr Colour operator*(float factor, Colour a) {
  return {factor * a.r, factor * a.g, factor * a.b};
}
constexpr Colour operator*(Colour a, Colour b) { return {a.r * b.r, a.g * b.g, a.b * b.b}; }

/// a at t = 0, b at t = 1.
template <typename Value>
constexpr Value mix(Value a, Value b, float t) {
  return (1 - t) * a + t * b;
}

/// Rises smoothly from 0 at `low` to 1 at `high`.
constexpr float smoothstep(float low, float high, float x) {
  const float t = std::clamp((x - low) / (high - low), 0.0F, 1.0F);
  return t * t * (3 - 2 * t);
}

/// A colour that covers what is below it by `alpha`.
struct Ink {
  Colour colour;
  float alpha = 1;
};

/// The corners of a polygon (closed by itself) or of an open line.
using Path = std::vector<Point>;

/// The ellipse with half axes `rx` and `ry`, the first of them `angle` radians clockwise of x.
Path ellipse(Point centre, float rx, float ry, float angle = 0);
Path rectangle(Point top_left, Point bottom_right);
/// The smooth curve through `points` (Catmull-Rom), back to the first.
Path smooth_loop(const Path& points);
/// The smooth curve through `points`, from the first to the last.
Path smooth_line(const Path& points);
/// The outline of `line` drawn with a round pen whose width goes from `start` to `end`.
Path stroke(const Path& line, float start, float end);

/// A picture that grows by filling shapes one over the other, with anti-aliased edges.
class Canvas {
 public:
  Canvas(int width, int height)
      : width_(width), height_(height), pixels_(int64_t{width} * height) {}

  int width() const { return width_; }
  int height() const { return height_; }
  Colour& at(int x, int y) { return pixels_[int64_t{y} * width_ + x]; }

  /// Fills the inside of `outline` (non-zero winding) with `paint(Point) -> Ink`, asked for at the
  /// centre of each pixel.
  template <typename Paint>
  void fill(const Path& outline, const Paint& paint) {
    const Mask mask = cover(outline);
    for (int y = mask.top; y < mask.bottom; ++y) {
      for (int x = mask.left; x < mask.right; ++x) {
        const float covered = mask.at(x, y);
        if (covered <= 0) continue;
        const Ink ink = paint(Point{x + 0.5F, y + 0.5F});
        at(x, y) = mix(at(x, y), ink.colour, covered * ink.alpha);
      }
    }
  }

  void fill(const Path& outline, Colour colour, float alpha = 1) {
    fill(outline, [&](Point) { return Ink{colour, alpha}; });
  }

  /// An ellipse without an edge: `alpha` in the middle, falling to nothing at the half axes. What
  /// lies outside of the shape `within` stays as it is.
  void glow(const Path& within, Point centre, float rx, float ry, Colour colour, float alpha);
  void glow(Point centre, float rx, float ry, Colour colour, float alpha) {
    glow(rectangle(centre - Point{rx, ry}, centre + Point{rx, ry}), centre, rx, ry, colour, alpha);
  }

 private:
  /// How much of each pixel in a box lies within a shape, 0 to 1.
  struct Mask {
    int left, top, right, bottom;
    std::vector<float> coverage;
    int64_t index(int x, int y) const { return int64_t{y - top} * (right - left) + (x - left); }
    float& at(int x, int y) { return coverage[index(x, y)]; }
    float at(int x, int y) const { return coverage[index(x, y)]; }
  };
  Mask cover(const Path& outline) const;

  int width_;
  int height_;
  std::vector<Colour> pixels_;
};

}  // namespace ember
