#include "apps/predict/prediction.h"

#include <algorithm>

#include "data/crop.h"
#include "data/image.h"
#include "data/resize.h"
#include "kernels/softmax_cross_entropy.h"
#include "tensor/error.h"
#include "tensor/interrupt.h"
#include "tensor/parallel.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

/// The rows of a photo's annotation.
std::vector<Row> annotated_faces(const fs::path& photo, ImageSize size, const fs::path& annotations,
                                 const Report& report) {
  const fs::path file = annotations / (photo.stem() += ".xml");
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    fail(ExitCode::no_input, "{}: has no annotation {}", photo.string(), file.string());
  }
  return read_voc_file(file, photo.string(), size, report);
}

std::optional<size_t> class_index(const std::string& label, const Classes& classes) {
  const auto found = std::find(classes.begin(), classes.end(), label);
  if (found == classes.end()) return std::nullopt;
  return static_cast<size_t>(found - classes.begin());
}

std::vector<Prediction> read_inputs(const fs::path& path, const Viewing& viewing,
                                    const Report& report) {
  const ByteTensor image = read_image(path);
  std::vector<Prediction> inputs;
  if (viewing.annotations.empty()) {
    inputs.push_back({.box = {}, .truth = {}, .input = network_input(image, {}, viewing)});
    return inputs;
  }
  for (const Row& row :
       annotated_faces(path, {image.dim(0), image.dim(1)}, viewing.annotations, report)) {
    inputs.push_back({.box = row.box,
                      .truth = class_index(row.label, viewing.classes),
                      .input = network_input(image, row.box, viewing)});
  }
  return inputs;
}

}  // namespace

size_t Prediction::predicted() const {
  return static_cast<size_t>(std::max_element(probabilities.begin(), probabilities.end()) -
                             probabilities.begin());
}

ByteTensor network_input(const ByteTensor& photo, const std::optional<Box>& box,
                         const Viewing& viewing) {
  ByteTensor input({viewing.side, viewing.side, 3});
  if (!viewing.margin) {
    resize_bilinear(photo, input);
    return input;
  }
  const Box whole{0, 0, static_cast<int>(photo.dim(1)), static_cast<int>(photo.dim(0))};
  const double margin = *viewing.margin / 100;
  resize_crop(photo, box ? square_around(*box, margin, {photo.dim(0), photo.dim(1)}) : whole,
              input);
  return input;
}

std::vector<Photo> view_photos(const std::vector<PhotoName>& names, const Viewing& viewing) {
  std::vector<Photo> photos(names.size());
  parallel_try(static_cast<int64_t>(names.size()), [&](int64_t i) {
    check_interrupt();
    const PhotoName& name = names[static_cast<size_t>(i)];
    Photo& photo = photos[static_cast<size_t>(i)];
    photo.path = name.path;
    photo.problem = name.problem;
    if (!photo.problem.empty()) return;
    try {
      photo.predictions = read_inputs(
          name.path, viewing, [&](const std::string& line) { photo.warnings.push_back(line); });
    } catch (const Error& error) {
      photo.problem = error.what();
    }
  });
  return photos;
}

void classify(Model& model, Scale scale, Tensor& images, std::vector<Photo>& photos) {
  std::vector<Prediction*> faces;
  for (Photo& photo : photos) {
    for (Prediction& face : photo.predictions) faces.push_back(&face);
  }
  const auto count = static_cast<int64_t>(faces.size());
  for (int64_t first = 0; first < count; first += images.dim(0)) {
    check_interrupt();
    const auto face_of = [&](int64_t i) -> Prediction& {
      return *faces[static_cast<size_t>(first + i)];
    };
    const int64_t rows = std::min(images.dim(0), count - first);
    parallel_for(rows, [&](int64_t i) {
      Tensor input = images.rows(i, i + 1).reshape(model.image());
      scale_pixels(face_of(i).input, scale, input);
    });
    const Tensor batch = images.rows(0, rows).on(model.device());
    const Tensor logits = model.forward(batch, {}).on(Device::cpu);
    Tensor probabilities(logits.shape());
    softmax(logits, probabilities);
    for (int64_t i = 0; i < rows; ++i) {
      const auto values = probabilities.rows(i, i + 1).values();
      face_of(i).probabilities.assign(values.begin(), values.end());
    }
  }
}

}  // namespace ember
