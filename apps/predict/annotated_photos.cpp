#include "apps/predict/annotated_photos.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <system_error>
#include <utility>

#include "apps/run_folder.h"
#include "data/frame.h"
#include "data/image.h"
#include "tensor/error.h"
#include "tensor/interrupt.h"
#include "tensor/parallel.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

// Okabe and Ito's palette, which all kinds of colour vision tell apart: one for each class, again
// from the beginning where there are more.
constexpr std::array<Rgb, 7> kClassColours{{{0, 114, 178},
                                            {213, 94, 0},
                                            {240, 228, 66},
                                            {0, 158, 115},
                                            {204, 121, 167},
                                            {86, 180, 233},
                                            {230, 159, 0}}};

/// Pixels of the photo for one of the label's font.
int label_scale(const ByteTensor& image) {
  constexpr int64_t kSideAtScale1 = 350;
  return static_cast<int>(
      std::max<int64_t>(1, std::min(image.dim(0), image.dim(1)) / kSideAtScale1));
}

Box grown(const Box& box, int by) {
  return {box.xmin - by, box.ymin - by, box.xmax + by, box.ymax + by};
}

/// The path without what would lead out of a folder that it is put below.
fs::path below(const fs::path& path) {
  fs::path inside;
  for (const fs::path& part : path.lexically_normal().relative_path()) {
    if (part != "..") inside /= part;
  }
  return inside;
}

}  // namespace

AnnotatedPhotos::AnnotatedPhotos(fs::path folder, Classes classes)
    : folder_(std::move(folder)), classes_(std::move(classes)) {
  make_new_folder(folder_, "--annotate");
}

AnnotatedPhotos::~AnnotatedPhotos() {
  std::error_code ignored;
  fs::remove(folder_, ignored);  // if it is empty
}

void AnnotatedPhotos::write(const std::vector<Photo>& photos) const {
  std::map<fs::path, const Photo*> copies;  // a photo may be named twice
  for (const Photo& photo : photos) {
    if (photo.problem.empty()) copies[folder_ / below(name_of_copy(photo.path))] = &photo;
  }
  const std::vector<std::pair<fs::path, const Photo*>> work(copies.begin(), copies.end());
  parallel_try(static_cast<int64_t>(work.size()), [&](int64_t i) {
    check_interrupt();
    const auto& [path, photo] = work[static_cast<size_t>(i)];
    write(path, *photo);
  });
}

void AnnotatedPhotos::write(const fs::path& path, const Photo& photo) const {
  ByteTensor image = read_image(photo.path);
  const int scale = label_scale(image);
  const int thickness = 2 * scale;
  const Box whole{0, 0, static_cast<int>(image.dim(1)), static_cast<int>(image.dim(0))};
  const auto frame_of = [&](const Prediction& prediction) {
    return prediction.box ? grown(*prediction.box, thickness) : whole;
  };
  const auto colour_of = [](const Prediction& prediction) {
    return kClassColours[prediction.predicted() % kClassColours.size()];
  };
  std::vector<Box> taken;
  for (const Prediction& prediction : photo.predictions) {
    taken.push_back(frame_of(prediction));
    draw_frame(image, grown(frame_of(prediction), -thickness), colour_of(prediction), thickness);
  }
  for (const Prediction& prediction : photo.predictions) {
    const size_t predicted = prediction.predicted();
    const std::string text =
        fmt::format("{} {:.2f}", classes_[predicted], prediction.probabilities[predicted]);
    taken.push_back(
        draw_label(image, frame_of(prediction), text, colour_of(prediction), scale, taken));
  }
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) {
    fail(ExitCode::cannot_create, "{}: cannot make the folder: {}", path.parent_path().string(),
         error.message());
  }
  write_image(path, image);
}

}  // namespace ember
