#include "data/dataset.h"

#include <algorithm>
#include <map>
#include <set>

#include "data/resize.h"
#include "data/split.h"
#include "tensor/temporary_folder.h"
#include "tests/data/testing.h"
#include "tests/golden.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

/// Three photos of different sizes and colours: red.png, green.png, blue.png.
void write_three_photos(const fs::path& folder) {
  write_photo(folder / "red.png", noise_image(10, 12, 1));
  write_photo(folder / "green.png", noise_image(20, 8, 2));
  write_photo(folder / "blue.png", noise_image(16, 16, 3));
}

TEST_CASE("photos are decoded and resized once, whatever the number of rows") {
  const TemporaryFolder folder;
  write_three_photos(folder.path());
  const std::vector<Row> rows{
      {"red.png", "a", {}}, {"blue.png", "b", {}}, {"red.png", "b", {}}, {"green.png", "a", {}}};
  std::vector<int64_t> progress;
  const auto photos = read_photos(folder.path(), rows, 16, [&](int64_t done, int64_t total) {
    progress.push_back(done);
    CHECK(total == 3);
  });
  CHECK(photos.pixels.shape() == Shape{3, 16, 16, 3});
  CHECK(photos.photo_of == std::vector<int64_t>{0, 1, 0, 2});
  CHECK(progress == std::vector<int64_t>{1, 2, 3});
  CHECK(photos.unreadable_count == 0);
  for (size_t row = 0; row < rows.size(); ++row) {
    ByteTensor expected({16, 16, 3});
    resize_bilinear(read_image(folder / rows[row].file), expected);
    const auto photo = photos.pixels.rows(photos.photo_of[row], photos.photo_of[row] + 1);
    CHECK(std::equal(expected.values().begin(), expected.values().end(), photo.data()));
  }
}

TEST_CASE("photos that cannot be read are named once, skipped and counted") {
  const TemporaryFolder folder;
  write_three_photos(folder.path());
  write_text(folder / "broken.jpg", "no image");
  const std::vector<Row> rows{{"broken.jpg", "a", {}},
                              {"red.png", "a", {}},
                              {"missing.jpg", "b", {}},
                              {"broken.jpg", "b", {}}};
  Lines lines;
  const auto photos = read_photos(folder.path(), rows, 8, nullptr, lines.report());
  CHECK(photos.unreadable_count == 2);
  CHECK(photos.photo_of == std::vector<int64_t>{-1, 1, -1, -1});
  CHECK(lines.lines() ==
        std::vector<std::string>{"Unreadable file: " + (folder / "broken.jpg").string(),
                                 "File not found: " + (folder / "missing.jpg").string()});
  check_error(ExitCode::no_input, {folder.path().string(), "none of its 1 photos can be read"},
              [&] { read_photos(folder.path(), {rows[2]}, 8, nullptr, lines.report()); });
}

TEST_CASE("five labels of a user's own go the whole way") {
  const TemporaryFolder folder;
  const std::vector<std::string> labels{"ant", "bee", "cat", "dog", "elk"};
  for (size_t k = 0; k < labels.size(); ++k) {
    for (size_t i = 0; i < 3 + k; ++i) {
      write_photo(folder / fmt::format("{}/{}.png", labels[k], i), noise_image(9, 9, 10 * k + i));
    }
  }
  DatasetOptions options;
  options.folder = folder.path();
  options.image_size = 8;
  const Dataset dataset = load_dataset(options);
  CHECK(dataset.classes == labels);
  CHECK(dataset.row_count() == 35);
  CHECK(dataset.skipped_row_count == 0);
  for (size_t i = 0; i < 35; ++i) {
    CHECK(dataset.labels[i] == static_cast<int32_t>(i / 7));
    CHECK(dataset.rows[i].label == labels[i / 7]);
  }
  const Split split = split_rows(dataset.row_count());
  CHECK(split.train.size() == 24);
  CHECK(split.validation.size() == 5);
  CHECK(split.test.size() == 6);

  // Another order of the classes is another numbering.
  options.classes = {"elk", "dog", "cat", "bee", "ant"};
  const Dataset reversed = load_dataset(options);
  CHECK(reversed.rows[0].label == "elk");
  CHECK(reversed.labels[34] == 4);
  CHECK(reversed.rows[34].label == "ant");

  options.classes = {"ant", "bee", "cat", "dog"};
  check_error(ExitCode::data, {"elk/0.png", "label elk is unknown", "ant, bee, cat, dog"},
              [&] { load_dataset(options); });
  options.classes = {"ant", "bee", "cat", "dog", "elk", "fox"};
  check_error(ExitCode::data, {"class fox has no rows"}, [&] { load_dataset(options); });
}

TEST_CASE("a data set of one class is refused") {
  const TemporaryFolder folder;
  write_photo(folder / "only/a.png", noise_image(4, 4, 1));
  DatasetOptions options;
  options.folder = folder.path();
  check_error(ExitCode::data, {folder.path().string(), "class only", "at least two"},
              [&] { load_dataset(options); });
}

TEST_CASE("a class folder whose name no file could hold is refused") {
  const TemporaryFolder folder;
  for (const char* name : {"caf\xE9/1.png", "b/1.png"}) {
    write_photo(folder / name, noise_image(4, 4, 1));
  }
  DatasetOptions options;
  options.folder = folder.path();
  check_error(ExitCode::data, {folder.path().string(), "not UTF-8"},
              [&] { load_dataset(options); });
}

TEST_CASE("fewer rows than can be parted into three are refused") {
  const TemporaryFolder folder;
  DatasetOptions options;
  options.folder = folder.path();
  options.image_size = 8;
  for (const char* name : {"a/1.png", "b/1.png"}) write_photo(folder / name, noise_image(4, 4, 1));
  check_error(ExitCode::data, {folder.path().string() + ": 2 rows are too few"},
              [&] { load_dataset(options); });
  for (const char* name : {"a/2.png", "b/2.png"}) write_photo(folder / name, noise_image(4, 4, 2));
  CHECK(split_rows(load_dataset(options).row_count()).validation.size() == 1);
}

TEST_CASE("rows of unreadable photos leave the balanced table before the split") {
  const TemporaryFolder folder;
  for (int i = 0; i < 6; ++i) {
    const std::string name = fmt::format("{}.png", i);
    write_text(folder / fmt::format("annotations/{}.xml", i),
               voc_xml(name, {{i % 2 == 0 ? "even" : "odd"}, {"even"}}));
    if (i != 3) write_photo(folder / ("images/" + name), noise_image(8, 8, 1));
  }
  Lines lines;
  DatasetOptions options;
  options.folder = folder.path();
  options.image_size = 8;
  options.report = lines.report();
  const Dataset dataset = load_dataset(options);

  // The draws of the untouched table, without those of photo 3.
  const auto all = read_annotations(folder.path()).rows;
  const auto drawn = oversample(label_indices(all, dataset.classes), dataset.classes, options.seed);
  std::vector<std::string> expected;
  for (int64_t i : drawn) {
    if (all[static_cast<size_t>(i)].file != "3.png") {
      expected.push_back(all[static_cast<size_t>(i)].file);
    }
  }
  std::vector<std::string> files;
  for (const Row& row : dataset.rows) files.push_back(row.file);
  CHECK(files == expected);
  CHECK(dataset.skipped_row_count == static_cast<int64_t>(drawn.size() - expected.size()));
  CHECK(dataset.skipped_row_count > 0);
  CHECK(dataset.photos.photo_of.size() == files.size());
  CHECK(lines.lines() ==
        std::vector<std::string>{"File not found: " + (folder / "images/3.png").string()});
  CHECK_THROWS_AS(dataset.pixels_of(dataset.row_count()), Error);
}

TEST_CASE("the study's table and partition from the real annotations") {
  const auto folder = test_asset("data/face-mask-detection");
  if (!folder) return;
  Lines lines;
  const auto annotations = read_annotations(*folder, lines.report());
  const auto classes = classes_of(annotations.rows);
  CHECK(classes == Classes{"without_mask", "with_mask", "mask_weared_incorrect"});
  CHECK(lines.lines().size() == 12);  // the boxes that end one column beside their photo
  const auto labels = label_indices(annotations.rows, classes);
  REQUIRE(labels.size() == 4072);
  CHECK(std::count(labels.begin(), labels.end(), 0) == 717);
  CHECK(std::count(labels.begin(), labels.end(), 1) == 3232);
  CHECK(std::count(labels.begin(), labels.end(), 2) == 123);

  const auto balanced = oversample(labels, classes, 1);
  const Split split = split_rows(static_cast<int64_t>(balanced.size()));
  CHECK(split.train.size() == 6787);
  CHECK(split.validation.size() == 1454);
  CHECK(split.test.size() == 1455);
  std::map<int32_t, int> supports;
  for (int64_t row : split.test) {
    ++supports[labels[static_cast<size_t>(balanced[static_cast<size_t>(row)])]];
  }
  CHECK(supports == std::map<int32_t, int>{{0, 471}, {1, 484}, {2, 500}});
}

}  // namespace
}  // namespace ember
