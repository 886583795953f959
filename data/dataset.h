#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/annotations.h"
#include "data/classes.h"
#include "data/split.h"
#include "tensor/tensor.h"

namespace ember {

/// Photos that are decoded and resized once; rows that show the same photo share it.
struct Photos {
  ByteTensor pixels;              ///< (photos, side, side, 3), RGB
  std::vector<int64_t> photo_of;  ///< row -> index in `pixels`, -1 where the photo is unreadable
  int64_t unreadable_count = 0;   ///< files that were missing or could not be decoded
};

/// Called with the number of files done and of all files, never by two threads at once.
using Progress = std::function<void(int64_t done, int64_t total)>;

/// Decodes the photos of `rows` in parallel, each file once, and resizes them to `side` x `side`. A
/// file that is missing or cannot be decoded is reported by the study's messages, "File not found:
/// PATH" and "Unreadable file: PATH", and skipped. Throws Error(no_input) when none is left.
Photos read_photos(const std::filesystem::path& image_folder, const std::vector<Row>& rows,
                   int64_t side, const Progress& progress = nullptr,
                   const Report& report = report_on_stderr);

struct DatasetOptions {
  std::filesystem::path folder;  ///< either layout of read_annotations
  Classes classes;               ///< empty: those of the data, in order of first appearance
  int64_t image_size = 128;
  uint32_t seed = 1;  ///< of the oversampling
  Progress progress;
  Report report = report_on_stderr;
};

/// The study's table after balancing, with its photos and its partition.
struct Dataset {
  Classes classes;
  std::vector<Row> rows;          ///< balanced: classes one after the other, readable photos only
  std::vector<int32_t> labels;    ///< class index of each row
  Photos photos;                  ///< of each row
  Split split;                    ///< positions in `rows`
  int64_t skipped_row_count = 0;  ///< balanced rows dropped because their photo is unreadable

  int64_t row_count() const { return static_cast<int64_t>(rows.size()); }
  /// (side, side, 3)
  Shape image_shape() const;
  /// A view of a row's photo, (side, side, 3).
  ByteTensor pixels_of(int64_t row) const;
};

/// Reads the annotations, oversamples the smaller classes, reads the photos, drops the rows whose
/// photo is unreadable, and splits the rest. Throws what these throw, and Error(data) for a label
/// that is not among `options.classes`, a class without rows, or fewer than two classes.
Dataset load_dataset(const DatasetOptions& options);

}  // namespace ember
