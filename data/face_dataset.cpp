#include "data/face_dataset.h"

#include <algorithm>
#include <utility>

#include "data/crop.h"
#include "data/photo_hash.h"
#include "data/resize.h"

namespace ember {

FaceDataset load_face_dataset(const FaceDatasetOptions& options) {
  Annotations annotations = read_annotations(options.folder, options.report);
  FaceDataset faces;
  Dataset& data = faces.data;
  data.image_folder = annotations.image_folder;
  data.classes = resolve_classes(annotations, options.classes, options.folder);
  data.rows = std::move(annotations.rows);
  data.labels = label_indices(data.rows, data.classes);

  const PhotoFiles photos = photo_files(data.rows);
  const std::vector<std::string>& files = photos.files;
  const std::vector<int64_t>& file_of = photos.file_of;
  std::vector<std::vector<int64_t>> rows_of(files.size());
  for (size_t row = 0; row < file_of.size(); ++row) {
    rows_of[static_cast<size_t>(file_of[row])].push_back(static_cast<int64_t>(row));
  }
  const int64_t side = options.image_size;
  // Rows of whole photos share them.
  const auto photo_of = [&](int64_t row) {
    return options.whole_photos ? file_of[static_cast<size_t>(row)] : row;
  };
  const int64_t photo_count =
      options.whole_photos ? static_cast<int64_t>(files.size()) : data.row_count();
  data.photos.pixels = ByteTensor::zeros({photo_count, side, side, 3});
  faces.crops.resize(data.rows.size());
  std::vector<uint64_t> hashes(files.size());
  const auto take = [&](int64_t file, const ByteTensor& image) {
    hashes[static_cast<size_t>(file)] = perceptual_hash(image);
    const Box whole{0, 0, static_cast<int>(image.dim(1)), static_cast<int>(image.dim(0))};
    const auto pixels_of = [&](int64_t photo) {
      return data.photos.pixels.rows(photo, photo + 1).reshape({side, side, 3});
    };
    if (options.whole_photos) {
      ByteTensor pixels = pixels_of(file);
      resize_bilinear(image, pixels);
    }
    for (const int64_t row : rows_of[static_cast<size_t>(file)]) {
      Box& shown = faces.crops[static_cast<size_t>(row)];
      shown = whole;
      if (options.whole_photos) continue;
      if (const auto& box = data.rows[static_cast<size_t>(row)].box) {
        shown = square_around(*box, options.margin, {image.dim(0), image.dim(1)});
      }
      ByteTensor pixels = pixels_of(row);
      resize_crop(image, shown, pixels);
    }
  };
  const auto readable =
      decode_photos(annotations.image_folder, files, take, options.progress, options.report);
  data.photos.unreadable_count = std::count(readable.begin(), readable.end(), false);

  const auto groups = groups_of_photos(hashes);
  size_t kept = 0;
  for (size_t row = 0; row < data.rows.size(); ++row) {
    const auto file = static_cast<size_t>(file_of[row]);
    if (!readable[file]) continue;
    faces.hashes.push_back(hashes[file]);
    faces.group_of.push_back(groups[file]);
    data.photos.photo_of.push_back(photo_of(static_cast<int64_t>(row)));
    faces.crops[kept] = faces.crops[row];
    data.labels[kept] = data.labels[row];
    if (kept != row) data.rows[kept] = std::move(data.rows[row]);
    ++kept;
  }
  data.skipped_row_count = static_cast<int64_t>(data.rows.size() - kept);
  faces.crops.resize(kept);
  data.labels.resize(kept);
  data.rows.resize(kept);
  return faces;
}

}  // namespace ember
