#include "data/faces.h"

#include <set>

#include "data/classes.h"
#include "tensor/temporary_folder.h"
#include "tests/data/testing.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

bool equal_pixels(const ByteTensor& a, const ByteTensor& b) {
  return a.shape() == b.shape() && std::equal(a.values().begin(), a.values().end(), b.data());
}

TEST_CASE("faces: a photo depends on seed and index alone") {
  const FacePhoto photo = draw_face_photo(5, 3);
  CHECK(equal_pixels(photo.image, draw_face_photo(5, 3).image));
  CHECK_FALSE(equal_pixels(photo.image, draw_face_photo(6, 3).image));
  CHECK_FALSE(equal_pixels(photo.image, draw_face_photo(5, 4).image));
}

TEST_CASE("faces: boxes lie within the photo and have the size of a face") {
  for (int64_t index = 0; index < 40; ++index) {
    const FacePhoto photo = draw_face_photo(2, index);
    REQUIRE_FALSE(photo.faces.empty());
    for (const LabelledFace& face : photo.faces) {
      INFO("photo " << index);
      CHECK(face.box.xmin >= 0);
      CHECK(face.box.ymin >= 0);
      CHECK(face.box.xmax <= photo.image.dim(1));
      CHECK(face.box.ymax <= photo.image.dim(0));
      CHECK(face.box.xmax - face.box.xmin >= 25);
      CHECK(face.box.ymax - face.box.ymin <= 130);
    }
  }
}

TEST_CASE("faces: a box holds a head, which differs from the scenery at its sides") {
  // The head in the box's middle is darker or brighter than both corners above it in nearly every
  // photo.
  int differing = 0;
  int counted = 0;
  for (int64_t index = 1; index < 40; ++index) {
    const FacePhoto photo = draw_face_photo(3, index);
    if (photo.faces.size() != 1) continue;
    const Box& box = photo.faces[0].box;
    const auto mean = [&](int x, int y) {
      int sum = 0;
      for (int dy = -3; dy <= 3; ++dy) {
        for (int dx = -3; dx <= 3; ++dx) {
          const int64_t column = std::clamp<int64_t>(x + dx, 0, photo.image.dim(1) - 1);
          const int64_t row = std::clamp<int64_t>(y + dy, 0, photo.image.dim(0) - 1);
          const uint8_t* pixel = photo.image.data() + (row * photo.image.dim(1) + column) * 3;
          sum += pixel[0] + pixel[1] + pixel[2];
        }
      }
      return sum / (3 * 49);
    };
    const int width = box.xmax - box.xmin;
    const int brow = mean(box.xmin + width / 2, box.ymin + (box.ymax - box.ymin) * 2 / 5);
    const int beside = mean(box.xmin - width / 2, box.ymin);
    ++counted;
    if (std::abs(brow - beside) > 8) ++differing;
  }
  REQUIRE(counted > 4);
  CHECK(differing * 10 >= counted * 7);
}

TEST_CASE("faces: classes come in the study's order and in their proportions") {
  std::vector<Row> rows;
  int one_class = 0;
  std::vector<int> photos_of(3);
  constexpr int kPhotos = 100;
  for (int64_t index = 0; index < kPhotos; ++index) {
    std::set<std::string> labels;
    const FacePhoto photo = draw_face_photo(1, index);
    for (const LabelledFace& face : photo.faces) {
      rows.push_back({"", face.label, face.box});
      labels.insert(face.label);
    }
    if (labels.size() > 1) continue;
    ++one_class;
    ++photos_of[label_indices({rows.back()},
                              {"with_mask", "without_mask", "mask_weared_incorrect"})[0]];
  }
  CHECK(classes_of(rows) == Classes{"with_mask", "without_mask", "mask_weared_incorrect"});
  CHECK(one_class >= 75);
  CHECK(one_class < kPhotos);
  CHECK(photos_of[0] > photos_of[1]);
  CHECK(photos_of[1] > photos_of[2]);
  CHECK(photos_of[2] >= 8);
}

TEST_CASE("faces: the written folder reads back as it was drawn") {
  const TemporaryFolder folder;
  const fs::path first = folder.path() / "first";
  write_face_photos(first, 4, 9);
  const Annotations annotations = read_annotations(first);
  size_t row = 0;
  for (int64_t index = 0; index < 4; ++index) {
    const FacePhoto photo = draw_face_photo(9, index);
    for (const LabelledFace& face : photo.faces) {
      REQUIRE(row < annotations.rows.size());
      const Row& read = annotations.rows[row++];
      CHECK(read.label == face.label);
      REQUIRE(read.box.has_value());
      CHECK(read.box->xmin == face.box.xmin);
      CHECK(read.box->ymin == face.box.ymin);
      CHECK(read.box->xmax == face.box.xmax);
      CHECK(read.box->ymax == face.box.ymax);
      CHECK(read_image(annotations.image_folder / read.file).shape() == photo.image.shape());
    }
  }
  CHECK(row == annotations.rows.size());

  const fs::path second = folder.path() / "second";
  fs::create_directory(second);  // an empty folder is filled
  write_face_photos(second, 4, 9);
  for (const auto& entry : fs::recursive_directory_iterator(first)) {
    if (!entry.is_regular_file()) continue;
    CHECK(content(entry.path()) == content(second / fs::relative(entry.path(), first)));
  }
}

TEST_CASE("faces: what cannot be written is refused, and nothing stays behind") {
  const TemporaryFolder folder;
  const fs::path taken = folder.path() / "taken";
  write_text(taken / "notes.txt", "mine");
  check_error(ExitCode::cannot_create, {"taken", "not an empty folder"},
              [&] { write_face_photos(taken, 1, 1); });
  check_error(ExitCode::cannot_create, {"notes.txt"},
              [&] { write_face_photos(taken / "notes.txt", 1, 1); });
  check_error(ExitCode::cannot_create, {"below"},
              [&] { write_face_photos(taken / "notes.txt" / "below", 1, 1); });
  check_error(ExitCode::usage, {"at least 1"},
              [&] { write_face_photos(folder.path() / "none", 0, 1); });
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

}  // namespace
}  // namespace ember
