#pragma once

#include <memory>
#include <vector>

#include "apps/training_options.h"
#include "data/face_dataset.h"
#include "data/split.h"
#include "tensor/temporary_folder.h"

namespace ember {

/// What a run learns from and is tested on.
struct StudyData {
  FaceDataset faces;         ///< under the notebook's protocol rows of whole photos, without groups
  std::vector<Split> folds;  ///< one, or those of a cross-validation
  std::string split_json;    ///< the folds by photos; empty under the notebook's protocol
  std::unique_ptr<TemporaryFolder> drawn;  ///< where drawn photos lie, as long as they are needed

  const Dataset& dataset() const { return faces.data; }
};

/// The photos of --data-dir, or drawn ones, as the protocol wants them; prints what there is.
StudyData load_study_data(const TrainingOptions& options);

}  // namespace ember
