#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/face_dataset.h"
#include "data/split.h"

/// Partitions of a data set of faces. Photos that look alike are always on one side.
namespace ember {

/// 70 per cent of each class for training, 15 each for validation and test, as nearly as whole
/// photos allow.
Split holdout_split(const FaceDataset& faces, uint64_t seed);

/// `count` cuts for cross-validation: each row is in the test of one of them, and trains in the
/// others. There is no validation.
std::vector<Split> fold_splits(const FaceDataset& faces, int count, uint64_t seed);

/// The splits by photos, as JSON: {"train": [...], "validation": [...], "test": [...]}, or
/// {"folds":
/// [[...], ...]} with the test of each.
std::string split_json(const FaceDataset& faces, const std::vector<Split>& splits);

/// Reads such a file for `faces`. Throws Error(no_input) when there is none, and Error(data) when
/// it is none, when a photo of the data set is missing in it or stands in two parts, when a photo
/// of a test looks like one that trains with it, or when a part is empty that must not be.
std::vector<Split> read_splits(const std::filesystem::path& path, const FaceDataset& faces);

}  // namespace ember
