#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace ember {

struct FaceDatasetOptions {
  std::filesystem::path folder;  ///< either layout of read_annotations
  Classes classes;               ///< empty: those of the data, in order of first appearance
  int64_t image_size = 128;
  double margin = 0.15;       ///< shown around a face, see square_around
  bool whole_photos = false;  ///< instead of crops, resized as load_dataset does
  Progress progress;
  Report report = report_on_stderr;
};

/// One sample for each annotated face: a square crop of its photo, or all of it. `data` has no
/// split yet and is not balanced.
struct FaceDataset {
  Dataset data;                   ///< a photo is a row's own crop, or its file's
  std::vector<uint64_t> hashes;   ///< of each row's photo, see perceptual_hash
  std::vector<int64_t> group_of;  ///< rows of one group show photos that look alike
  std::vector<Box> crops;         ///< what was cut out of the photo
};

/// Reads annotations and cuts the faces out. A row without a box shows its whole photo. Throws as
/// load_dataset.
FaceDataset load_face_dataset(const FaceDatasetOptions& options);

}  // namespace ember
