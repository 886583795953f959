#include "data/dataset.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "data/image.h"
#include "data/resize.h"
#include "data/split.h"
#include "tensor/error.h"
#include "tensor/interrupt.h"
#include "tensor/parallel.h"

namespace ember {
namespace {

constexpr int64_t kFewestRows = 4;  // that split_rows can part

}  // namespace

PhotoFiles photo_files(const std::vector<Row>& rows) {
  PhotoFiles photos;
  std::unordered_map<std::string, int64_t> index_of;
  for (const Row& row : rows) {
    const auto [entry, is_new] = index_of.try_emplace(row.file, photos.files.size());
    if (is_new) photos.files.push_back(row.file);
    photos.file_of.push_back(entry->second);
  }
  return photos;
}

std::vector<bool> decode_photos(const std::filesystem::path& image_folder,
                                const std::vector<std::string>& files,
                                const std::function<void(int64_t, const ByteTensor&)>& take,
                                const Progress& progress, const Report& report) {
  const auto count = static_cast<int64_t>(files.size());
  std::vector<std::string> problems(files.size());
  std::mutex mutex;
  int64_t done = 0;
  parallel_try(count, [&](int64_t i) {
    check_interrupt();
    try {
      take(i, read_image(image_folder / files[static_cast<size_t>(i)]));
    } catch (const Error& error) {
      problems[static_cast<size_t>(i)] = error.what();
    }
    const std::lock_guard lock(mutex);
    ++done;
    if (progress) progress(done, count);
  });

  std::vector<bool> readable;
  for (const std::string& problem : problems) {
    readable.push_back(problem.empty());
    if (!problem.empty()) report(problem);
  }
  if (std::find(readable.begin(), readable.end(), true) == readable.end()) {
    fail(ExitCode::no_input, "{}: none of its {} photos can be read", image_folder.string(), count);
  }
  return readable;
}

Photos read_photos(const std::filesystem::path& image_folder, const std::vector<Row>& rows,
                   int64_t side, const Progress& progress, const Report& report) {
  EMBER_REQUIRE(side > 0, "read_photos: side {}", side);
  auto [files, photo_of] = photo_files(rows);
  const auto count = static_cast<int64_t>(files.size());
  Photos photos{.pixels = ByteTensor::zeros({count, side, side, 3}),
                .photo_of = std::move(photo_of)};
  const auto take = [&](int64_t i, const ByteTensor& image) {
    ByteTensor resized = photos.pixels.rows(i, i + 1).reshape({side, side, 3});
    resize_bilinear(image, resized);
  };
  const auto readable = decode_photos(image_folder, files, take, progress, report);
  photos.unreadable_count = std::count(readable.begin(), readable.end(), false);
  for (int64_t& photo : photos.photo_of) {
    if (!readable[static_cast<size_t>(photo)]) photo = -1;
  }
  return photos;
}

Shape Dataset::image_shape() const {
  return {photos.pixels.dim(1), photos.pixels.dim(2), photos.pixels.dim(3)};
}

ByteTensor Dataset::pixels_of(int64_t row) const {
  EMBER_REQUIRE(row >= 0 && row < row_count(), "row {} of a data set of {}", row, row_count());
  const int64_t photo = photos.photo_of[static_cast<size_t>(row)];
  return photos.pixels.rows(photo, photo + 1).reshape(image_shape());
}

Classes resolve_classes(const Annotations& annotations, const Classes& asked,
                        const std::filesystem::path& folder) {
  Classes classes = asked.empty() ? classes_of(annotations.rows) : asked;
  if (asked.empty() && classes.size() < 2) {
    fail(ExitCode::data, "{}: all its photos are of class {}; at least two classes are needed",
         folder.string(), classes.front());
  }
  if (const std::string complaint = complaint_about(classes); !complaint.empty()) {
    fail(ExitCode::data, "{}: {}", folder.string(), complaint);
  }
  return classes;
}

Dataset load_dataset(const DatasetOptions& options) {
  const Annotations annotations = read_annotations(options.folder, options.report);
  Dataset dataset;
  dataset.image_folder = annotations.image_folder;
  dataset.classes = resolve_classes(annotations, options.classes, options.folder);

  const auto labels = label_indices(annotations.rows, dataset.classes);
  std::vector<int64_t> balanced = oversample(labels, dataset.classes, options.seed);
  std::vector<Row> rows;
  rows.reserve(balanced.size());
  for (int64_t i : balanced) rows.push_back(annotations.rows[static_cast<size_t>(i)]);
  dataset.photos = read_photos(annotations.image_folder, rows, options.image_size, options.progress,
                               options.report);

  std::vector<int64_t>& photo_of = dataset.photos.photo_of;
  int64_t kept = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (photo_of[i] < 0) continue;
    dataset.rows.push_back(std::move(rows[i]));
    dataset.labels.push_back(labels[static_cast<size_t>(balanced[i])]);
    photo_of[static_cast<size_t>(kept++)] = photo_of[i];
  }
  dataset.skipped_row_count = static_cast<int64_t>(rows.size()) - kept;
  photo_of.resize(static_cast<size_t>(kept));
  if (kept < kFewestRows) {
    fail(ExitCode::data, "{}: {} rows are too few for training, validation and test; add photos",
         options.folder.string(), kept);
  }
  return dataset;
}

}  // namespace ember
