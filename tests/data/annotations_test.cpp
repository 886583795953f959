#include "data/annotations.h"

#include <fmt/format.h>

#include "data/classes.h"
#include "tensor/temporary_folder.h"
#include "tests/data/testing.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

/// A VOC folder with one 8x6 photo, photo.png, and one annotation file, a.xml.
void write_voc(const fs::path& folder, const std::string& xml) {
  write_photo(folder / "images/photo.png", noise_image(6, 8, 1));
  write_text(folder / "annotations/a.xml", xml);
}

void check_malformed(const std::string& xml, std::vector<std::string> parts) {
  const TemporaryFolder folder;
  write_voc(folder.path(), xml);
  parts.push_back((folder / "annotations/a.xml").string());
  check_error(ExitCode::data, parts, [&] { read_annotations(folder.path()); });
}

TEST_CASE("VOC annotations come in byte order of their file names") {
  const TemporaryFolder folder;
  fs::create_directories(folder / "images");
  write_text(folder / "annotations/a10.xml", voc_xml("x.png", {{"second"}, {"third"}}));
  write_text(folder / "annotations/a2.xml", voc_xml("sub/y.png", {{" fourth\n"}}));
  write_text(folder / "annotations/B.xml", voc_xml("z.png", {{"first", {5, 6, 7, 8}}}));
  write_text(folder / "annotations/notes.txt", "not an annotation");
  Lines lines;
  const auto annotations = read_annotations(folder.path(), lines.report());
  CHECK(annotations.image_folder == folder / "images");
  REQUIRE(annotations.rows.size() == 4);
  CHECK(annotations.rows[0].label == "first");
  CHECK(annotations.rows[0].box->xmin == 5);
  CHECK(annotations.rows[0].box->ymax == 8);
  CHECK(annotations.rows[1].label == "second");
  CHECK(annotations.rows[2].file == "x.png");
  CHECK(annotations.rows[3].label == "fourth");
  CHECK(annotations.rows[3].file == "sub/y.png");
  CHECK(lines.lines().empty());
}

TEST_CASE("a photo without objects is no error") {
  const TemporaryFolder folder;
  write_voc(folder.path(), voc_xml("photo.png", {{"face"}}));
  write_text(folder / "annotations/b.xml", voc_xml("photo.png", {}));
  CHECK(read_annotations(folder.path()).rows.size() == 1);
}

TEST_CASE("class folders give one row a photo") {
  const TemporaryFolder folder;
  write_photo(folder / "dogs/b.JPG", noise_image(4, 4, 1));
  write_photo(folder / "dogs/a.png", noise_image(4, 4, 2));
  write_photo(folder / "cats/z.jpeg", noise_image(4, 4, 3));
  write_text(folder / "cats/readme.txt", "no photo");
  write_text(folder / ".cache/hidden.png", "");
  write_text(folder / "readme.png", "");
  const auto annotations = read_annotations(folder.path());
  CHECK(annotations.image_folder == folder.path());
  REQUIRE(annotations.rows.size() == 3);
  CHECK(annotations.rows[0].file == "cats/z.jpeg");
  CHECK(annotations.rows[1].file == "dogs/a.png");
  CHECK(annotations.rows[2].file == "dogs/b.JPG");
  CHECK(annotations.rows[2].label == "dogs");
  CHECK_FALSE(annotations.rows[2].box.has_value());
  CHECK(classes_of(annotations.rows) == Classes{"cats", "dogs"});
}

TEST_CASE("a folder that is no data set is refused with what was expected") {
  const TemporaryFolder folder;
  const auto read = [&](const fs::path& path) { return [path] { read_annotations(path); }; };
  const std::string layouts = "annotations/*.xml beside images/, or one folder of photos";
  check_error(ExitCode::no_input, {"missing: no such folder"}, read(folder / "missing"));
  check_error(ExitCode::no_input, {folder.path().string(), layouts}, read(folder.path()));
  write_text(folder / "file", "");
  check_error(ExitCode::no_input, {"file: not a folder", layouts}, read(folder / "file"));
  fs::create_directories(folder / "images");
  check_error(ExitCode::no_input, {"annotations: no such folder", layouts}, read(folder.path()));
  fs::create_directories(folder / "annotations");
  check_error(ExitCode::no_input, {"annotations: no annotations in it"}, read(folder.path()));
  fs::remove(folder / "images");
  check_error(ExitCode::no_input, {"images: no such folder", layouts}, read(folder.path()));
}

TEST_CASE("annotations without any object are refused") {
  const TemporaryFolder folder;
  write_voc(folder.path(), voc_xml("photo.png", {}));
  check_error(ExitCode::data, {"annotations: no <object>"},
              [&] { read_annotations(folder.path()); });
}

TEST_CASE("malformed annotations are refused with their file and line") {
  const std::string box =
      "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>";
  check_malformed("", {"not well-formed XML"});
  check_malformed("<annotation>\n<object>\n</annotation>", {"line 2", "not well-formed XML"});
  check_malformed("<html/>", {"no <annotation>"});
  check_malformed("<annotation/>", {"<annotation> has no <filename>"});
  check_malformed("<annotation><filename> </filename></annotation>", {"has no <filename>"});
  const std::string start = "<annotation><filename>photo.png</filename>\n<object>";
  const std::string end = "</object></annotation>";
  check_malformed(start + box + end, {"line 2", "<object> has no <name>"});
  check_malformed(start + "<name>face</name>" + end, {"line 2", "<object> has no <bndbox>"});
  check_malformed(start + "<name>face</name><bndbox><xmin>1</xmin></bndbox>" + end,
                  {"<bndbox> has no <ymin>"});
  for (const std::string wrong : {"left", "1x", "nan", "inf", "1e30", "1 2"}) {
    check_malformed(
        fmt::format("{}<name>face</name><bndbox><xmin>{}</xmin></bndbox>{}", start, wrong, end),
        {"<xmin> is " + wrong, "not a number of pixels"});
  }
  check_malformed(start + "<name>two&#10;lines</name>" + box + end,
                  {"<name> holds a control character"});
}

TEST_CASE("an annotation that cannot be read is missing input") {
  const TemporaryFolder folder;
  write_voc(folder.path(), voc_xml("photo.png", {{"face"}}));
  fs::create_symlink(folder / "nowhere", folder / "annotations/b.xml");
  check_error(ExitCode::no_input, {"b.xml: cannot be read"},
              [&] { read_annotations(folder.path()); });
}

TEST_CASE("an annotation cannot name a photo outside the image folder") {
  for (const std::string file : {"/etc/passwd", "../photo.png", "sub/../../photo.png", ".."}) {
    check_malformed(voc_xml(file, {{"face"}}), {file, "leaves the image folder"});
  }
  const TemporaryFolder folder;
  write_voc(folder.path(), voc_xml("photo..png", {{"face"}}));
  CHECK(read_annotations(folder.path()).rows.at(0).file == "photo..png");
}

TEST_CASE("a box that leaves its photo is clipped with a warning") {
  const TemporaryFolder folder;
  // The photo, 8x6, is right and <size> is wrong.
  write_voc(folder.path(), voc_xml("photo.png", {{"face", {-2, 1, 9, 7}}, {"face", {0, 0, 8, 6}}},
                                   "<size><width>90</width><height>90</height></size>"));
  Lines lines;
  const auto rows = read_annotations(folder.path(), lines.report()).rows;
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].box->xmin == 0);
  CHECK(rows[0].box->ymin == 1);
  CHECK(rows[0].box->xmax == 8);
  CHECK(rows[0].box->ymax == 6);
  REQUIRE(lines.lines().size() == 1);
  CHECK(lines.lines()[0] == "warning: " + (folder / "annotations/a.xml").string() +
                                ": box (-2, 1) to (9, 7) leaves its photo of 8x6 pixels: clipped");
}

TEST_CASE("one file for a photo that is known: neither its name nor its size is asked") {
  const TemporaryFolder folder;
  const fs::path file = folder / "a.xml";
  const std::string size = "<size><width>9</width><height>9</height></size>";
  write_text(file,
             voc_xml("../other.png", {{"face", {15, 2, 25, 5}}, {"out", {20, 0, 22, 3}}}, size));
  Lines lines;
  const auto rows = read_voc_file(file, "photo.png", {10, 20}, lines.report());
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].file == "photo.png");
  CHECK(rows[0].label == "face");
  CHECK(rows[0].box->xmin == 15);
  CHECK(rows[0].box->xmax == 20);
  CHECK(lines.lines().size() == 2);
  check_error(ExitCode::no_input, {"b.xml: cannot be read"}, [&] {
    read_voc_file(folder / "b.xml", "photo.png", {10, 20});
  });
}

TEST_CASE("without the photo <size> counts") {
  const TemporaryFolder folder;
  const std::string size = "<size><width>20</width><height>10</height></size>";
  fs::create_directories(folder / "images");
  write_text(folder / "annotations/a.xml", voc_xml("gone.png", {{"face", {15, 2, 25, 5}}}, size));
  write_text(folder / "annotations/b.xml", voc_xml("gone.png", {{"face", {15, 2, 25, 5}}}));
  Lines lines;
  const auto rows = read_annotations(folder.path(), lines.report()).rows;
  CHECK(rows.at(0).box->xmax == 20);
  CHECK(rows.at(1).box->xmax == 25);
  CHECK(lines.lines().size() == 1);
}

TEST_CASE("an empty box is dropped with a warning") {
  const TemporaryFolder folder;
  write_voc(folder.path(), voc_xml("photo.png", {{"empty", {3, 3, 3, 5}},
                                                 {"inverted", {1, 5, 4, 2}},
                                                 {"outside", {8, 1, 12, 4}},
                                                 {"face", {1, 1, 2, 2}}}));
  Lines lines;
  const auto rows = read_annotations(folder.path(), lines.report()).rows;
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].label == "face");
  REQUIRE(lines.lines().size() == 3);
  CHECK(lines.lines()[2] == "warning: " + (folder / "annotations/a.xml").string() +
                                ": box (8, 1) to (12, 4) is empty or outside its photo: dropped");
}

TEST_CASE("classes are those of the data or a given list") {
  const std::vector<Row> rows{{"a.png", "red", {}}, {"b.png", "blue", {}}, {"c.png", "red", {}}};
  CHECK(classes_of(rows) == Classes{"red", "blue"});
  CHECK(label_indices(rows, {"red", "blue"}) == std::vector<int32_t>{0, 1, 0});
  CHECK(label_indices(rows, {"green", "blue", "red"}) == std::vector<int32_t>{2, 1, 2});
  check_error(ExitCode::data, {"b.png: label blue is unknown", "the classes are red, green"}, [&] {
    label_indices(rows, {"red", "green"});
  });
}

TEST_CASE("a nonsensical list of classes is refused") {
  CHECK_NOTHROW(check_classes({"a", "b"}));
  check_error(ExitCode::usage, {"at least two"}, [] { check_classes({"a"}); });
  check_error(ExitCode::usage, {R"(["a",""])", "empty"}, [] { check_classes({"a", ""}); });
  check_error(ExitCode::usage, {"b stands there twice"}, [] { check_classes({"a", "b", "b"}); });
  CHECK_NOTHROW(check_classes({"caf\xC3\xA9", "b"}));
  for (const char* name : {"caf\xE9", "two\nlines"}) {
    check_error(ExitCode::usage, {"not UTF-8"}, [&] { check_classes({name, "b"}); });
  }
}

}  // namespace
}  // namespace ember
