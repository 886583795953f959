#pragma once

#include <cstdint>

#include "data/warp.h"
#include "tensor/random.h"

/// Random affine transforms, as Keras's ImageDataGenerator makes them (order 1, fill "nearest").
namespace ember {

/// What is drawn uniformly; the study's values.
struct AugmentationRanges {
  double rotation = 25;      ///< degrees to either side
  double shift = 0.2;        ///< share of the side, in either direction
  double shear = 0.15;       ///< degrees (sic) to either side
  double zoom_lowest = 0.7;  ///< the same range for each axis, drawn on its own
  double zoom_highest = 1.3;
  double flip_probability = 0.5;
  double brightness_lowest = 1;  ///< factor of all values
  double brightness_highest = 1;
};

/// Keras's parameters of one transform; the defaults leave an image as it is.
struct AugmentationParameters {
  double theta = 0;  ///< rotation, degrees
  double tx = 0;     ///< shifts, pixels
  double ty = 0;
  double shear = 0;  ///< degrees
  double zx = 1;     ///< zooms: above 1 shows more of the edge, below 1 less of the image
  double zy = 1;
  bool flip_horizontal = false;
  double brightness = 1;
};

/// Draws the parameters of element `element` of `random`, in Keras's order of drawing: tx from the
/// height, ty from the width.
AugmentationParameters draw_augmentation(const AugmentationRanges& ranges, const Philox& random,
                                         uint64_t element, int64_t height, int64_t width);

/// The map of an image: C R T S Z C^-1, with Keras's matrices of rotation, translation, shear, zoom
/// and centring, its exchange of the axes, and the flip folded in:
///
///     R = [cos t, -sin t, 0; sin t, cos t, 0; 0, 0, 1]    T = [1, 0, tx; 0, 1, ty; 0, 0, 1]
///     S = [1, -sin s, 0; 0, cos s, 0; 0, 0, 1]            Z = diag(zx, zy, 1)
///     C = [1, 0, height/2 - 0.5; 0, 1, width/2 - 0.5; 0, 0, 1]
///
/// Its first coordinate is the column: tx and zx act on columns although Keras draws tx from the
/// height, and an image that is not square turns about a point beside its centre.
PixelMap pixel_map(const AugmentationParameters& parameters, int64_t height, int64_t width);

}  // namespace ember
