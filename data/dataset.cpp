#include "data/dataset.h"

#include <cstring>
#include <exception>
#include <mutex>
#include <unordered_map>

#include "data/image.h"
#include "data/resize.h"
#include "tensor/error.h"
#include "tensor/interrupt.h"
#include "tensor/parallel.h"

namespace ember {
namespace {

constexpr int64_t kFewestRows = 4;  // that split_rows can part

}  // namespace

Photos read_photos(const std::filesystem::path& image_folder, const std::vector<Row>& rows,
                   int64_t side, const Progress& progress, const Report& report) {
  EMBER_REQUIRE(side > 0, "read_photos: side {}", side);
  Photos photos;
  std::vector<const std::string*> files;
  std::unordered_map<std::string, int64_t> index_of;
  for (const Row& row : rows) {
    const auto [entry, is_new] = index_of.try_emplace(row.file, files.size());
    if (is_new) files.push_back(&row.file);
    photos.photo_of.push_back(entry->second);
  }

  const auto count = static_cast<int64_t>(files.size());
  photos.pixels = ByteTensor({count, side, side, 3});
  std::vector<std::string> problems(files.size());
  std::exception_ptr failure;
  std::mutex mutex;
  int64_t done = 0;
  parallel_for(count, [&](int64_t i) {
    try {
      check_interrupt();
      ByteTensor resized = photos.pixels.rows(i, i + 1).reshape({side, side, 3});
      resize_bilinear(read_image(image_folder / *files[static_cast<size_t>(i)]), resized);
    } catch (const Error& error) {
      problems[static_cast<size_t>(i)] = error.what();
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    ++done;
    if (progress) progress(done, count);
  });
  if (failure) std::rethrow_exception(failure);

  for (const std::string& problem : problems) {
    if (problem.empty()) continue;
    report(problem);
    ++photos.unreadable_count;
  }
  if (photos.unreadable_count == count) {
    fail(ExitCode::no_input, "{}: none of its {} photos can be read", image_folder.string(), count);
  }
  for (int64_t& photo : photos.photo_of) {
    if (!problems[static_cast<size_t>(photo)].empty()) photo = -1;
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

Dataset load_dataset(const DatasetOptions& options) {
  const Annotations annotations = read_annotations(options.folder, options.report);
  Dataset dataset;
  dataset.classes = options.classes.empty() ? classes_of(annotations.rows) : options.classes;
  if (options.classes.empty() && dataset.classes.size() < 2) {
    fail(ExitCode::data, "{}: all its photos are of class {}; at least two classes are needed",
         options.folder.string(), dataset.classes.front());
  }
  if (const std::string complaint = complaint_about(dataset.classes); !complaint.empty()) {
    fail(ExitCode::data, "{}: {}", options.folder.string(), complaint);
  }

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
  dataset.split = split_rows(kept);
  return dataset;
}

}  // namespace ember
