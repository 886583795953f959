#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/annotations.h"
#include "data/classes.h"
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

/// The files that rows name, each once.
struct PhotoFiles {
  std::vector<std::string> files;
  std::vector<int64_t> file_of;  ///< row -> index in `files`
};
PhotoFiles photo_files(const std::vector<Row>& rows);

/// Decodes `files` in parallel and calls `take(index, image)` for each, on the thread that has
/// decoded it. One that is missing or cannot be decoded is reported by the study's messages, "File
/// not found: PATH" and "Unreadable file: PATH", and left out. Returns which could be read; throws
/// Error(no_input) when none could.
std::vector<bool> decode_photos(const std::filesystem::path& image_folder,
                                const std::vector<std::string>& files,
                                const std::function<void(int64_t, const ByteTensor&)>& take,
                                const Progress& progress = nullptr,
                                const Report& report = report_on_stderr);

/// Decodes the photos of `rows` in parallel, each file once, and resizes them to `side` x `side`.
/// Errors as of decode_photos.
Photos read_photos(const std::filesystem::path& image_folder, const std::vector<Row>& rows,
                   int64_t side, const Progress& progress = nullptr,
                   const Report& report = report_on_stderr);

/// The classes `asked` for or, where none are, those of the data. Throws Error(data) that names
/// `folder` when these are fewer than two or cannot be names of classes.
Classes resolve_classes(const Annotations& annotations, const Classes& asked,
                        const std::filesystem::path& folder);

struct DatasetOptions {
  std::filesystem::path folder;  ///< either layout of read_annotations
  Classes classes;               ///< empty: those of the data, in order of first appearance
  int64_t image_size = 128;
  uint32_t seed = 1;  ///< of the oversampling
  Progress progress;
  Report report = report_on_stderr;
};

/// Labelled images: a row a sample.
struct Dataset {
  Classes classes;
  std::filesystem::path image_folder;  ///< of the photos that `rows` name
  std::vector<Row> rows;               ///< readable photos only
  std::vector<int32_t> labels;         ///< class index of each row
  Photos photos;                       ///< of each row
  int64_t skipped_row_count = 0;       ///< rows dropped because their photo is unreadable

  int64_t row_count() const { return static_cast<int64_t>(rows.size()); }
  /// (side, side, 3)
  Shape image_shape() const;
  /// A view of a row's photo, (side, side, 3).
  ByteTensor pixels_of(int64_t row) const;
};

/// The study's table after balancing: reads the annotations, oversamples the smaller classes, reads
/// the photos and drops the rows whose photo is unreadable. Classes stand one after the other. The
/// study's partition of it is split_rows(). Throws what these throw, and Error(data) for a label
/// that is not among `options.classes`, a class without rows, or fewer than two classes.
Dataset load_dataset(const DatasetOptions& options);

}  // namespace ember
