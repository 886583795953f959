#include "apps/study_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "apps/protocol.h"
#include "data/face_split.h"
#include "data/faces.h"
#include "tensor/error.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

StudyData load_notebook(const fs::path& folder, const TrainingOptions& options) {
  StudyData study;
  study.faces.data = load_dataset({.folder = folder,
                                   .classes = options.classes,
                                   .image_size = options.image_size,
                                   .seed = static_cast<uint32_t>(options.seed),
                                   .progress = nullptr});
  study.folds = {split_rows(study.dataset().row_count())};
  return study;
}

/// Balances the rows that train as the notebook balances all.
void balance_by_copies(const fs::path& folder, const Dataset& dataset, std::vector<int64_t>& rows,
                       uint32_t seed) {
  std::vector<int32_t> labels;
  labels.reserve(rows.size());
  for (const int64_t row : rows) labels.push_back(dataset.labels[static_cast<size_t>(row)]);
  for (size_t k = 0; k < dataset.classes.size(); ++k) {
    if (std::find(labels.begin(), labels.end(), static_cast<int32_t>(k)) != labels.end()) continue;
    fail(ExitCode::data,
         "{}: class {} has no photo left to train on: its photos are too few, or too much alike; "
         "add photos, or give fewer --folds",
         folder.string(), dataset.classes[k]);
  }
  std::vector<int64_t> balanced;
  for (const int64_t draw : oversample(labels, dataset.classes, seed)) {
    balanced.push_back(rows[static_cast<size_t>(draw)]);
  }
  rows = std::move(balanced);
}

StudyData load_split_by_photos(const fs::path& folder, const TrainingOptions& options) {
  const bool whole_photos = parse_protocol(options.protocol) == Protocol::photos;
  StudyData study;
  study.faces = load_face_dataset({.folder = folder,
                                   .classes = options.classes,
                                   .image_size = options.image_size,
                                   .margin = options.margin / 100,
                                   .whole_photos = whole_photos,
                                   .progress = nullptr});
  const auto seed = static_cast<uint64_t>(options.seed);
  if (!options.split.empty()) {
    study.folds = read_splits(options.split, study.faces);
  } else if (options.folds > 1) {
    study.folds = fold_splits(study.faces, options.folds, seed);
  } else {
    study.folds = {holdout_split(study.faces, seed)};
  }
  for (const Split& split : study.folds) {
    if (!split.train.empty() && !split.test.empty()) continue;
    fail(ExitCode::data,
         "{}: its photos are too few, or too much alike, for training and test; "
         "add photos",
         folder.string());
  }
  if (options.patience > 0 && study.folds.front().validation.empty()) {
    fail(ExitCode::usage, "--patience {}: this split validates nothing; give --patience 0",
         options.patience);
  }
  study.split_json = split_json(study.faces, study.folds);
  if (whole_photos) {
    for (Split& split : study.folds) {
      balance_by_copies(folder, study.dataset(), split.train, static_cast<uint32_t>(options.seed));
    }
  }
  return study;
}

StudyData load(const fs::path& folder, const TrainingOptions& options) {
  return parse_protocol(options.protocol) == Protocol::notebook
             ? load_notebook(folder, options)
             : load_split_by_photos(folder, options);
}

StudyData draw_and_load(const TrainingOptions& options) {
  fmt::print("No --data-dir: drawing {} photos of faces.\n", options.drawn_photos);
  std::fflush(stdout);
  auto temporary = std::make_unique<TemporaryFolder>();
  const fs::path folder = *temporary / "faces";
  write_face_photos(folder, options.drawn_photos, static_cast<uint64_t>(options.seed));
  StudyData study = load(folder, options);
  study.drawn = std::move(temporary);
  return study;
}

void print_notebook(const StudyData& study) {
  const Dataset& dataset = study.dataset();
  const Split& split = study.folds.front();
  const std::set<int64_t> photos(dataset.photos.photo_of.begin(), dataset.photos.photo_of.end());
  fmt::print("{} rows after balancing, of {} photos: {} to train, {} to validate, {} to test.\n",
             dataset.row_count(), photos.size(), split.train.size(), split.validation.size(),
             split.test.size());
}

void print_faces(const StudyData& study) {
  std::set<std::string> photos;
  for (const Row& row : study.dataset().rows) photos.insert(row.file);
  const std::set<int64_t> groups(study.faces.group_of.begin(), study.faces.group_of.end());
  fmt::print("{} faces in {} photos, {} of which look like another one: ",
             study.dataset().row_count(), photos.size(), photos.size() - groups.size());
  if (study.folds.size() > 1) {
    fmt::print("{} folds.\n", study.folds.size());
  } else {
    const Split& split = study.folds.front();
    fmt::print("{} to train, {} to validate, {} to test.\n", split.train.size(),
               split.validation.size(), split.test.size());
  }
}

}  // namespace

StudyData load_study_data(const TrainingOptions& options) {
  StudyData study =
      options.data_dir.empty() ? draw_and_load(options) : load(options.data_dir, options);
  const Dataset& dataset = study.dataset();
  if (study.split_json.empty()) {
    print_notebook(study);
  } else {
    print_faces(study);
  }
  if (dataset.photos.unreadable_count > 0) {
    fmt::print("{} photos could not be read; {} rows were skipped.\n",
               dataset.photos.unreadable_count, dataset.skipped_row_count);
  }
  fmt::print("Classes: {}\n", fmt::join(dataset.classes, ", "));
  std::fflush(stdout);
  return study;
}

}  // namespace ember
