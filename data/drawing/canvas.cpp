#include "data/drawing/canvas.h"

#include <numbers>

namespace ember {
namespace {

constexpr float kPi = std::numbers::pi_v<float>;
// Coverage is exact along x and sampled by this many lines per pixel along y.
constexpr int kLinesPerPixel = 5;
constexpr int kStepsPerSegment = 6;

/// The Catmull-Rom spline between b and c, which come after a and before d.
Point catmull_rom(Point a, Point b, Point c, Point d, float t) {
  const Point linear = c - a;
  const Point square = 2 * a - 5 * b + 4 * c - d;
  const Point cube = 3 * b - a - 3 * c + d;
  return b + 0.5F * (t * linear + t * t * square + t * t * t * cube);
}

}  // namespace

Path ellipse(Point centre, float rx, float ry, float angle) {
  const int corners = std::clamp(static_cast<int>(std::max(rx, ry) * 2), 12, 64);
  const float c = std::cos(angle);
  const float s = std::sin(angle);
  Path path(corners);
  for (int i = 0; i < corners; ++i) {
    const float turn = 2 * kPi * i / corners;
    const Point p{rx * std::cos(turn), ry * std::sin(turn)};
    path[i] = centre + Point{c * p.x - s * p.y, s * p.x + c * p.y};
  }
  return path;
}

Path rectangle(Point top_left, Point bottom_right) {
  return {top_left, {bottom_right.x, top_left.y}, bottom_right, {top_left.x, bottom_right.y}};
}

Path smooth_loop(const Path& points) {
  const size_t count = points.size();
  Path path;
  path.reserve(count * kStepsPerSegment);
  for (size_t i = 0; i < count; ++i) {
    for (int step = 0; step < kStepsPerSegment; ++step) {
      path.push_back(catmull_rom(points[(i + count - 1) % count], points[i],
                                 points[(i + 1) % count], points[(i + 2) % count],
                                 static_cast<float>(step) / kStepsPerSegment));
    }
  }
  return path;
}

Path smooth_line(const Path& points) {
  const size_t last = points.size() - 1;
  Path path;
  path.reserve(last * kStepsPerSegment + 1);
  for (size_t i = 0; i < last; ++i) {
    for (int step = 0; step < kStepsPerSegment; ++step) {
      path.push_back(catmull_rom(points[i == 0 ? 0 : i - 1], points[i], points[i + 1],
                                 points[std::min(i + 2, last)],
                                 static_cast<float>(step) / kStepsPerSegment));
    }
  }
  path.push_back(points[last]);
  return path;
}

Path stroke(const Path& line, float start, float end) {
  const int last = static_cast<int>(line.size()) - 1;
  Path outline;
  outline.reserve(2 * line.size() + 8);
  // Once along the left side, then back along the right, which is the left of the way back.
  for (const bool back : {false, true}) {
    for (int i = 0; i <= last; ++i) {
      const int here = back ? last - i : i;
      const int before = std::clamp(back ? here + 1 : here - 1, 0, last);
      const int after = std::clamp(back ? here - 1 : here + 1, 0, last);
      const Point along = line[after] - line[before];
      const float radius = mix(start, end, static_cast<float>(here) / last) / 2;
      const Point forward = (radius / std::max(length(along), 1e-6F)) * along;
      const Point side{-forward.y, forward.x};
      outline.push_back(line[here] + side);
      if (i < last) continue;
      for (const float turn : {0.25F, 0.5F, 0.75F}) {
        outline.push_back(line[here] + std::cos(kPi * turn) * side +
                          std::sin(kPi * turn) * forward);
      }
    }
  }
  return outline;
}

Canvas::Mask Canvas::cover(const Path& outline) const {
  Point low = outline.front();
  Point high = outline.front();
  for (const Point& p : outline) {
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  const auto within = [](float value, int limit) {
    return static_cast<int>(std::clamp(value, 0.0F, static_cast<float>(limit)));
  };
  Mask mask{within(std::floor(low.x), width_),
            within(std::floor(low.y), height_),
            within(std::ceil(high.x), width_),
            within(std::ceil(high.y), height_),
            {}};
  if (mask.left >= mask.right || mask.top >= mask.bottom) return {0, 0, 0, 0, {}};
  mask.coverage.resize(int64_t{mask.right - mask.left} * (mask.bottom - mask.top));

  struct Crossing {
    float x;
    int winding;
  };
  const int line_count = (mask.bottom - mask.top) * kLinesPerPixel;
  std::vector<std::vector<Crossing>> lines(line_count);
  const auto line_y = [&](int line) { return mask.top + (line + 0.5F) / kLinesPerPixel; };
  const auto first_line_below = [&](float y) {
    const float line = std::ceil((y - mask.top) * kLinesPerPixel - 0.5F);
    return static_cast<int>(std::clamp(line, 0.0F, static_cast<float>(line_count)));
  };
  for (size_t i = 0; i < outline.size(); ++i) {
    const Point from = outline[i];
    const Point to = outline[(i + 1) % outline.size()];
    const Point& upper = from.y < to.y ? from : to;
    const Point& lower = from.y < to.y ? to : from;
    const int end = first_line_below(lower.y);
    for (int line = first_line_below(upper.y); line < end; ++line) {
      const float t = (line_y(line) - upper.y) / (lower.y - upper.y);
      lines[line].push_back({mix(upper.x, lower.x, t), from.y < to.y ? 1 : -1});
    }
  }

  const auto add_span = [&](int y, float from, float to) {
    from = std::max(from, static_cast<float>(mask.left));
    to = std::min(to, static_cast<float>(mask.right));
    for (int x = static_cast<int>(from); x < to; ++x) {
      mask.at(x, y) +=
          (std::min(to, x + 1.0F) - std::max(from, static_cast<float>(x))) / kLinesPerPixel;
    }
  };
  for (int line = 0; line < line_count; ++line) {
    auto& crossings = lines[line];
    std::sort(crossings.begin(), crossings.end(),
              [](const Crossing& a, const Crossing& b) { return a.x < b.x; });
    int winding = 0;
    for (size_t i = 0; i + 1 < crossings.size(); ++i) {
      winding += crossings[i].winding;
      if (winding != 0)
        add_span(mask.top + line / kLinesPerPixel, crossings[i].x, crossings[i + 1].x);
    }
  }
  return mask;
}

void Canvas::glow(const Path& within, Point centre, float rx, float ry, Colour colour,
                  float alpha) {
  fill(within, [&](Point p) {
    const float distance = length({(p.x - centre.x) / rx, (p.y - centre.y) / ry});
    return Ink{colour, distance < 1 ? alpha * (1 - smoothstep(0, 1, distance)) : 0};
  });
}

}  // namespace ember
