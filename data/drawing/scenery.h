#pragma once

#include "data/drawing/canvas.h"
#include "data/drawing/dice.h"

namespace ember {

/// Paints the whole canvas with a place for people to stand before: a studio wall, lights out of
/// focus, hills, a street or a room.
void draw_scenery(Canvas& canvas, Dice& dice);

}  // namespace ember
