#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/predict/photo_names.h"
#include "data/annotations.h"
#include "data/classes.h"
#include "data/scaling.h"
#include "nn/model.h"
#include "tensor/tensor.h"

/// What a trained network says of photos.
namespace ember {

/// What it says of a face or, where there is no box, of a whole photo.
struct Prediction {
  std::optional<Box> box;
  std::optional<size_t> truth;  ///< the class of the annotation, where it is one of the model's
  ByteTensor input;             ///< what the network is shown, (side, side, 3)
  std::vector<float> probabilities{};  ///< of each class

  /// The class of the highest probability, the first of equal ones.
  size_t predicted() const;
};

/// A photo, with a prediction for each of its faces or one for all of it.
struct Photo {
  std::filesystem::path path;
  std::vector<Prediction> predictions;
  std::vector<std::string> warnings;
  std::string problem;  ///< why it, or its annotation, could not be read; empty: it was
};

/// How photos become what a network is shown.
struct Viewing {
  int64_t side;
  Classes classes;
  /// Of a model that was trained on crops: what stands around a face, per cent of its longer side.
  std::optional<double> margin{};
  /// The folder whose file <name of the photo>.xml (PASCAL VOC) has its faces; empty: whole photos.
  std::filesystem::path annotations{};
};

/// A face or, where there is no box, the whole photo as the network is shown it, (side, side, 3):
/// as load_face_dataset() shows faces to a model of crops, and load_dataset() photos to others.
ByteTensor network_input(const ByteTensor& photo, const std::optional<Box>& box,
                         const Viewing& viewing);

/// Reads photos in parallel, and no more of each than the network is shown.
std::vector<Photo> view_photos(const std::vector<PhotoName>& names, const Viewing& viewing);

/// Fills in the probabilities, a batch after the other in the memory of `images` (batch size, side,
/// side, 3). They do not depend on who else is in a batch.
void classify(Model& model, Scale scale, Tensor& images, std::vector<Photo>& photos);

}  // namespace ember
