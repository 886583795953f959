#pragma once

#include <algorithm>

#include "data/drawing/canvas.h"

namespace ember {

/// How a head stands in the picture. Angles in radians.
struct Pose {
  Point centre;      ///< of the skull, in pixels
  float radius = 1;  ///< half of the height from the chin to the crown, in pixels
  float yaw = 0;     ///< turned to the picture's right
  float pitch = 0;   ///< looking down
  float roll = 0;    ///< tilted clockwise
};

/// A lamp far away and the light of the surroundings.
struct Light {
  float x = 0, y = 0, z = 1;  ///< unit vector towards the lamp; z points out of the picture
  float ambient = 0.6F;
  float diffuse = 0.5F;
  Colour tint{1, 1, 1};
};

/// The surface of a head: a stack of ellipses, one for each height y from the crown (-1) to the
/// chin (1). Coordinates on it are in units of the radius: x to the picture's right, y down, z
/// towards the viewer, before the pose turns them.
class Head {
 public:
  /// `width` and `jaw` scale the whole head and its lower half; 1 is ordinary.
  Head(const Pose& pose, float width, float jaw);

  const Pose& pose() const { return pose_; }
  float half_width(float y) const;

  /// A place in space, as the picture shows it.
  Point place(float x, float y, float z) const;
  /// The place `lift` in front of the face at (x, y).
  Point on_face(float x, float y, float lift = 0) const;
  Path on_face(const Path& path, float lift = 0) const;
  /// Whether the side of the head, left (-1) or right (1), can be seen.
  bool shows_side(float side) const;

  /// A place beside the silhouette at height y, `margin` away from it, on the left (-1) or right.
  Point beside(float side, float y, float margin = 0) const;
  Path silhouette(float margin = 0) const;

  /// How brightly the light makes the head's surface shine at a pixel.
  float shade(Point pixel, const Light& light) const;

 private:
  struct Slice {
    float half_width, depth, forward;
  };
  Slice slice(float y) const;
  /// Half the width of what the turned slice covers.
  float half_extent(const Slice& slice) const;
  Point turn(float x, float y) const;

  Pose pose_;
  float width_, jaw_;
  float sin_yaw_, cos_yaw_, sin_pitch_, cos_pitch_, sin_roll_, cos_roll_;
};

}  // namespace ember
