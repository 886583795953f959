#include "data/drawing/head.h"

#include <array>

namespace ember {
namespace {

// The slices at y = -1, -0.8, ..., 1. Between them squares are interpolated, which rounds the crown
// and the chin.
constexpr int kSlices = 11;
constexpr std::array<float, kSlices> kHalfWidth{0,    .50F, .665F, .735F, .76F, .76F,
                                                .74F, .69F, .59F,  .43F,  0};
constexpr std::array<float, kSlices> kDepth{0,    .55F, .72F, .80F, .82F, .80F,
                                            .78F, .72F, .62F, .46F, 0};
constexpr std::array<float, kSlices> kForward{0, 0, 0, 0, 0, .02F, .04F, .08F, .14F, .20F, .25F};

}  // namespace

Head::Head(const Pose& pose, float width, float jaw)
    : pose_(pose),
      width_(width),
      jaw_(jaw),
      sin_yaw_(std::sin(pose.yaw)),
      cos_yaw_(std::cos(pose.yaw)),
      sin_pitch_(std::sin(pose.pitch)),
      cos_pitch_(std::cos(pose.pitch)),
      sin_roll_(std::sin(pose.roll)),
      cos_roll_(std::cos(pose.roll)) {}

Head::Slice Head::slice(float y) const {
  const float at = (std::clamp(y, -1.0F, 1.0F) + 1) / 2 * (kSlices - 1);
  const int i = std::min(static_cast<int>(at), kSlices - 2);
  const float t = at - i;
  const auto rounded = [&](const std::array<float, kSlices>& table) {
    return std::sqrt(mix(table[i] * table[i], table[i + 1] * table[i + 1], t));
  };
  const float scale = width_ * mix(1.0F, jaw_, smoothstep(0.1F, 0.8F, y));
  return {scale * rounded(kHalfWidth), rounded(kDepth), mix(kForward[i], kForward[i + 1], t)};
}

float Head::half_width(float y) const { return slice(y).half_width; }

float Head::half_extent(const Slice& slice) const {
  return length({slice.half_width * cos_yaw_, slice.depth * sin_yaw_});
}

Point Head::turn(float x, float y) const {
  return pose_.centre +
         pose_.radius * Point{x * cos_roll_ - y * sin_roll_, x * sin_roll_ + y * cos_roll_};
}

Point Head::place(float x, float y, float z) const {
  const float towards = z * cos_yaw_ - x * sin_yaw_;
  return turn(x * cos_yaw_ + z * sin_yaw_, y * cos_pitch_ + towards * sin_pitch_);
}

Point Head::on_face(float x, float y, float lift) const {
  const Slice at = slice(std::min(y, 0.9F));
  const float t = std::min(std::abs(x) / at.half_width, 1.0F);
  return place(x, y, at.forward + at.depth * std::sqrt(1 - t * t) + lift);
}

Path Head::on_face(const Path& path, float lift) const {
  Path placed(path.size());
  std::transform(path.begin(), path.end(), placed.begin(),
                 [&](Point p) { return on_face(p.x, p.y, lift); });
  return placed;
}

bool Head::shows_side(float side) const { return side * sin_yaw_ < 0.2F; }

Point Head::beside(float side, float y, float margin) const {
  const Slice at = slice(y);
  const float x = at.forward * sin_yaw_ + side * (half_extent(at) + margin);
  return turn(x, y * cos_pitch_ + at.forward * cos_yaw_ * sin_pitch_);
}

Path Head::silhouette(float margin) const {
  Path corners;
  for (int i = 1; i < 2 * kSlices - 2; i += 2) corners.push_back(beside(-1, i / 10.0F - 1, margin));
  corners.push_back(beside(1, 1 + margin));
  for (int i = 2 * kSlices - 3; i > 0; i -= 2) corners.push_back(beside(1, i / 10.0F - 1, margin));
  corners.push_back(beside(1, -1 - margin));
  return smooth_loop(corners);
}

float Head::shade(Point pixel, const Light& light) const {
  const Point from = (1 / pose_.radius) * (pixel - pose_.centre);
  const float y = from.y * cos_roll_ - from.x * sin_roll_;
  const Slice at = slice(std::clamp(y, -0.95F, 0.9F));
  const float x = from.x * cos_roll_ + from.y * sin_roll_ - at.forward * sin_yaw_;
  // The normal of the stack, a little flatter than a ball's from top to bottom.
  const float nx = std::clamp(x / half_extent(at), -1.0F, 1.0F);
  const float ny = std::clamp(0.65F * y, -0.8F, 0.8F);
  const float nz = std::sqrt(std::max(0.0F, 1 - nx * nx)) + 0.15F;
  const float facing = (nx * cos_roll_ - ny * sin_roll_) * light.x +
                       (nx * sin_roll_ + ny * cos_roll_) * light.y + nz * light.z;
  const float norm = std::sqrt(nx * nx + ny * ny + nz * nz);
  return light.ambient * (0.82F + 0.18F * nz / norm) +
         light.diffuse * std::max(0.0F, facing / norm);
}

}  // namespace ember
