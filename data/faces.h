#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/annotations.h"
#include "tensor/tensor.h"

/// Drawn photos of people with and without masks, for programs that are given no photos, for tests
/// and for lessons. A picture depends on (seed, index) alone.
namespace ember {

struct LabelledFace {
  std::string label;  ///< "with_mask", "without_mask" or "mask_weared_incorrect"
  Box box;            ///< of the head from the crown to the chin, without hair and hats
};

struct FacePhoto {
  ByteTensor image;  ///< (height, width, 3) RGB, 200 to 400 pixels a side
  std::vector<LabelledFace> faces;
};

/// Draws photo `index` >= 0. As in a collection of real photos, one to five people stand in it, and
/// mostly one is like the other: 85 of 100 photos hold faces of one class. Any run of photos has
/// 60 % of them with masks, 25 % without and 15 % with masks worn wrong (under the nose, on the
/// chin, hanging from an ear), as nearly as its length allows. Photo 0 holds one face of each
/// class, in this order, so that the classes appear in the order of the public data set.
FacePhoto draw_face_photo(uint64_t seed, int64_t index);

/// Draws photos 0 to count - 1 and writes them as a PASCAL VOC folder, `directory/images/*.jpg` and
/// `directory/annotations/*.xml`, whose names are in the order of the photos. The folder appears
/// when it is complete. Throws Error(usage) when `count` is less than 1, Error(cannot_create) when
/// `directory` is a file or a folder that is not empty, or cannot be made.
void write_face_photos(const std::filesystem::path& directory, int64_t count, uint64_t seed);

}  // namespace ember
