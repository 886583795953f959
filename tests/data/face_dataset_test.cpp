#include "data/face_dataset.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "data/crop.h"
#include "data/face_split.h"
#include "data/faces.h"
#include "data/grouped_split.h"
#include "data/photo_hash.h"
#include "data/resize.h"
#include "tensor/temporary_folder.h"
#include "tests/data/testing.h"
#include "tests/golden.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

bool operator==(const Box& a, const Box& b) {
  return a.xmin == b.xmin && a.ymin == b.ymin && a.xmax == b.xmax && a.ymax == b.ymax;
}

/// A photo with large shapes in it, as real ones have; noise looks like nothing.
ByteTensor drawn_photo(int64_t index) { return draw_face_photo(7, index).image; }

ByteTensor resized(const ByteTensor& image, int64_t height, int64_t width) {
  ByteTensor other({height, width, 3});
  resize_bilinear(image, other);
  return other;
}

/// VOC photos 0 to count - 1 of two faces each, photo i of classes i % 3 and (i + 1) % 3.
void write_photos(const fs::path& folder, int count) {
  const std::vector<std::string> names{"a", "b", "c"};
  for (int i = 0; i < count; ++i) {
    const std::string file = fmt::format("{:02}.png", i);
    write_photo(folder / "images" / file, drawn_photo(i));
    write_text(folder / fmt::format("annotations/{:02}.xml", i),
               voc_xml(file, {{names[static_cast<size_t>(i % 3)], {10, 20, 60, 80}},
                              {names[static_cast<size_t>((i + 1) % 3)], {90, 30, 120, 70}}}));
  }
}

FaceDataset load(const fs::path& folder, Lines& lines) {
  FaceDatasetOptions options;
  options.folder = folder;
  options.image_size = 16;
  options.report = lines.report();
  return load_face_dataset(options);
}

std::vector<int64_t> sorted(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

TEST_CASE("a square stands about its box, inside the photo") {
  const ImageSize photo{100, 200};
  CHECK(square_around({50, 40, 70, 50}, 0, photo) == Box{50, 35, 70, 55});
  CHECK(square_around({50, 40, 70, 50}, 0.25, photo) == Box{45, 30, 75, 60});
  CHECK(square_around({0, 0, 20, 20}, 0.25, photo) == Box{0, 0, 30, 30});
  CHECK(square_around({190, 90, 200, 100}, 0.5, photo) == Box{180, 80, 200, 100});
  CHECK(square_around({20, 0, 180, 100}, 0.15, photo) == Box{50, 0, 150, 100});
  CHECK(square_around({7, 7, 8, 8}, 0, {9, 9}) == Box{7, 7, 8, 8});
}

TEST_CASE("a crop holds the box's pixels, the mean of four where it is twice as large") {
  const ByteTensor image = noise_image(40, 50, 1);
  ByteTensor same({8, 8, 3});
  resize_crop(image, {5, 6, 13, 14}, same);
  ByteTensor half({8, 8, 3});
  resize_crop(image, {3, 2, 19, 18}, half);
  ByteTensor quarter({8, 8, 3});
  resize_crop(image, {3, 2, 35, 34}, quarter);
  for (int64_t y = 0; y < 8; ++y) {
    for (int64_t x = 0; x < 8; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        const int64_t at = (y * 8 + x) * 3 + c;
        const auto pixel = [&](int64_t row, int64_t column) -> int {
          return image.data()[(row * 50 + column) * 3 + c];
        };
        const auto mean = [&](int64_t row, int64_t column) {
          return (pixel(row, column) + pixel(row, column + 1) + pixel(row + 1, column) +
                  pixel(row + 1, column + 1) + 2) /
                 4;
        };
        CHECK(same.data()[at] == pixel(6 + y, 5 + x));
        CHECK(half.data()[at] == mean(2 + 2 * y, 3 + 2 * x));
        const int64_t row = 2 + 4 * y;
        const int64_t column = 3 + 4 * x;
        CHECK(quarter.data()[at] == (mean(row, column) + mean(row, column + 2) +
                                     mean(row + 2, column) + mean(row + 2, column + 2) + 2) /
                                        4);
      }
    }
  }
  CHECK_THROWS_AS(resize_crop(image, {45, 6, 53, 14}, same), Error);
}

TEST_CASE("a photo's hash outlives another size, compression and brightness") {
  const TemporaryFolder folder;
  std::vector<uint64_t> hashes;
  for (int64_t i = 0; i < 12; ++i) {
    const ByteTensor photo = drawn_photo(i);
    hashes.push_back(perceptual_hash(photo));
    CHECK(look_alike(hashes.back(), perceptual_hash(resized(photo, 150, 173))));
    write_photo(folder / "photo.jpg", photo);
    CHECK(look_alike(hashes.back(), perceptual_hash(read_image(folder / "photo.jpg"))));
    ByteTensor darker = photo;
    for (uint8_t& value : darker.values()) value = static_cast<uint8_t>(value * 3 / 4);
    CHECK(look_alike(hashes.back(), perceptual_hash(darker)));
    for (size_t k = 0; k + 1 < hashes.size(); ++k)
      CHECK_FALSE(look_alike(hashes[k], hashes.back()));
  }
  CHECK_THROWS_AS(perceptual_hash(ByteTensor({4, 4, 1})), Error);
}

TEST_CASE("groups reach over photos that look like two others") {
  CHECK(groups_of_photos({}).empty());
  // 0, 6, 12 bits: the outer two look alike only over the one between.
  const std::vector<uint64_t> hashes{~uint64_t{0}, 0, 0x3f, 0xfff, 0xffffffff00000000};
  CHECK(look_alike(hashes[1], hashes[2]));
  CHECK_FALSE(look_alike(hashes[1], hashes[3]));
  CHECK(groups_of_photos(hashes) == std::vector<int64_t>{0, 1, 1, 1, 4});
}

TEST_CASE("groups stay together and classes get their shares") {
  std::vector<int32_t> labels;
  std::vector<int64_t> group_of;
  const Philox random(3, Purpose::split, 9);
  for (int64_t group = 0; group < 400; ++group) {
    const uint32_t count = 1 + random.bits(static_cast<uint64_t>(group)) % 6;
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t draw = random.bits(static_cast<uint64_t>(1000 + 10 * group + i)) % 100;
      labels.push_back(draw < 80 ? 0 : draw < 97 ? 1 : 2);
      group_of.push_back(group);
    }
  }
  const std::vector<double> shares{0.7, 0.15, 0.15};
  const auto parts = split_groups(labels, group_of, shares, 1);
  CHECK(parts == split_groups(labels, group_of, shares, 1));
  CHECK(parts != split_groups(labels, group_of, shares, 2));
  std::vector<std::vector<double>> counts(3, std::vector<double>(3));
  std::vector<double> of_class(3);
  std::map<int64_t, int> part_of;
  for (size_t i = 0; i < labels.size(); ++i) {
    CHECK(part_of.emplace(group_of[i], parts[i]).first->second == parts[i]);
    ++counts[static_cast<size_t>(parts[i])][static_cast<size_t>(labels[i])];
    ++of_class[static_cast<size_t>(labels[i])];
  }
  for (size_t part = 0; part < 3; ++part) {
    for (size_t k = 0; k < 3; ++k) {
      CHECK(std::abs(counts[part][k] - shares[part] * of_class[k]) <= 1.5);
    }
  }
}

TEST_CASE("each face becomes a sample, cut out of its photo") {
  const TemporaryFolder folder;
  write_photos(folder.path(), 3);
  write_photo(folder / "images/02.png", resized(drawn_photo(0), 180, 190));  // a copy of photo 0
  write_text(folder / "annotations/03.xml", voc_xml("03.png", {{"c"}}));
  Lines lines;
  const FaceDataset faces = load(folder.path(), lines);
  CHECK(lines.lines() ==
        std::vector<std::string>{"File not found: " + (folder / "images/03.png").string()});
  const Dataset& data = faces.data;
  REQUIRE(data.row_count() == 6);
  CHECK(data.skipped_row_count == 1);
  CHECK(data.photos.unreadable_count == 1);
  CHECK(data.classes == Classes{"a", "b", "c"});
  CHECK(data.labels == std::vector<int32_t>{0, 1, 1, 2, 2, 0});
  CHECK(faces.group_of == std::vector<int64_t>{0, 0, 1, 1, 0, 0});
  for (int64_t row = 0; row < 6; ++row) {
    const auto at = static_cast<size_t>(row);
    const ByteTensor photo = read_image(folder / "images" / data.rows[at].file);
    const Box shown = square_around(*data.rows[at].box, 0.15, {photo.dim(0), photo.dim(1)});
    CHECK(faces.crops[at] == shown);
    CHECK(faces.hashes[at] == perceptual_hash(photo));
    ByteTensor expected({16, 16, 3});
    resize_crop(photo, shown, expected);
    const ByteTensor pixels = data.pixels_of(row);
    CHECK(std::equal(expected.values().begin(), expected.values().end(), pixels.data()));
  }
}

TEST_CASE("splits are whole, come back from their file, and leak nothing") {
  const TemporaryFolder folder;
  write_photos(folder.path(), 24);
  Lines lines;
  const FaceDataset faces = load(folder.path(), lines);
  const Split holdout = holdout_split(faces, 1);
  CHECK(holdout.train.size() + holdout.validation.size() + holdout.test.size() == 48);
  CHECK(holdout.test.size() >= 4);
  const auto folds = fold_splits(faces, 4, 1);
  std::vector<int64_t> tested;
  for (const Split& fold : folds) {
    CHECK(fold.train.size() + fold.test.size() == 48);
    CHECK(fold.validation.empty());
    tested.insert(tested.end(), fold.test.begin(), fold.test.end());
  }
  std::vector<int64_t> all(48);
  std::iota(all.begin(), all.end(), int64_t{0});
  CHECK(sorted(tested) == all);

  for (const auto& splits : {folds, std::vector{holdout}}) {
    write_text(folder / "split.json", split_json(faces, splits));
    const auto read = read_splits(folder / "split.json", faces);
    REQUIRE(read.size() == splits.size());
    for (size_t k = 0; k < splits.size(); ++k) {
      CHECK(read[k].train == splits[k].train);
      CHECK(read[k].validation == splits[k].validation);
      CHECK(read[k].test == splits[k].test);
    }
  }
}

TEST_CASE("split files that are none, or that leak, are refused") {
  const TemporaryFolder folder;
  write_photos(folder.path(), 3);
  write_photo(folder / "images/02.png", resized(drawn_photo(0), 180, 190));
  Lines lines;
  const FaceDataset faces = load(folder.path(), lines);
  const fs::path path = folder / "split.json";
  check_error(ExitCode::no_input, {path.string()}, [&] { read_splits(path, faces); });
  const struct {
    const char* text;
    std::vector<std::string> parts;
  } cases[] = {
      {"no json", {path.string(), "no JSON"}},
      {R"({"train": []})", {path.string(), "folds"}},
      {R"({"folds": [["00.png", "02.png"], ["01.png", 3]]})", {path.string(), "folds"}},
      {R"({"folds": [["00.png", "02.png"], ["00.png", "01.png"]]})", {"00.png twice"}},
      {R"({"folds": [["00.png", "02.png"]]})", {"no part for photo 01.png"}},
      {R"({"train": ["00.png", "01.png", "02.png"], "validation": [], "test": []})",
       {"no face to test"}},
      {R"({"train": ["00.png", "01.png"], "validation": [], "test": ["02.png"]})",
       {"02.png looks like 00.png"}},
      {R"({"train": ["01.png"], "validation": ["00.png"], "test": ["02.png"]})",
       {"02.png looks like 00.png"}},
  };
  for (const auto& [text, parts] : cases) {
    write_text(path, text);
    check_error(ExitCode::data, parts, [&] { read_splits(path, faces); });
  }
  write_text(path, R"({"train": ["00.png", "02.png"], "validation": [], "test": ["01.png"]})");
  CHECK(read_splits(path, faces).size() == 1);
}

TEST_CASE("the real photos: pairs that look alike") {
  const auto folder = test_asset("data/face-mask-detection");
  if (!folder) return;
  Lines lines;
  const FaceDataset faces = load(*folder, lines);
  CHECK(faces.data.row_count() == 4072);
  std::set<std::string> photos;
  for (const Row& row : faces.data.rows) photos.insert(row.file);
  const std::set<int64_t> groups(faces.group_of.begin(), faces.group_of.end());
  CHECK(photos.size() == 853);
  CHECK(photos.size() - groups.size() == 25);  // pairs, looked at one by one
}

}  // namespace ember
