#pragma once

#include "data/drawing/canvas.h"
#include "data/drawing/dice.h"
#include "data/drawing/head.h"

namespace ember {

/// Where a person has the mask.
enum class MaskWear { over_nose, none, under_nose, on_chin, from_ear };

/// Draws a person of random looks, head and shoulders, and returns the silhouette of the face.
Path draw_person(Canvas& canvas, const Pose& pose, MaskWear wear, const Light& light, Dice& dice);

}  // namespace ember
