#include "data/annotations.h"

#include <tinyxml2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

#include "data/image.h"
#include "tensor/error.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExpected =
    "expected annotations/*.xml beside images/, or one folder of photos for each class";

/// The entries of a folder that `wanted` picks, in byte order of their names.
template <typename Wanted>
std::vector<fs::path> sorted_entries(const fs::path& folder, const Wanted& wanted) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const bool hidden = entry->path().filename().native().starts_with('.');
    if (!hidden && wanted(entry->path())) entries.push_back(entry->path());
  }
  if (error) fail(ExitCode::no_input, "{}: cannot be listed: {}", folder.string(), error.message());
  std::sort(entries.begin(), entries.end(), [](const fs::path& a, const fs::path& b) {
    return a.filename().native() < b.filename().native();
  });
  return entries;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::string_view trimmed(std::string_view text) {
  constexpr const char* kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

/// One annotation file; its errors name it.
class VocFile {
 public:
  VocFile(const fs::path& path, const Report& report) : path_(path.string()), report_(report) {
    const std::string text = content();
    if (document_.Parse(text.data(), text.size()) != tinyxml2::XML_SUCCESS) {
      fail(ExitCode::data, "{}: line {}: not well-formed XML ({}); mend the file or remove it",
           path_, std::max(document_.ErrorLineNum(), 1),
           tinyxml2::XMLDocument::ErrorIDToName(document_.ErrorID()));
    }
    annotation_ = document_.FirstChildElement("annotation");
    if (annotation_ == nullptr)
      fail(ExitCode::data, "{}: no <annotation> in it; remove the file if it is not PASCAL VOC",
           path_);
  }

  /// The photo that it names, a file in `image_folder`.
  std::string photo(const fs::path& image_folder) const {
    const fs::path file = text_of(annotation_, "filename");
    if (file.is_absolute() || std::find(file.begin(), file.end(), "..") != file.end()) {
      fail(ExitCode::data, "{}: <filename> {} leaves the image folder; name a file inside {}",
           path_, file.string(), image_folder.string());
    }
    return file.string();
  }

  /// What <size> says.
  std::optional<ImageSize> size() const {
    const auto* size = annotation_->FirstChildElement("size");
    if (size == nullptr) return std::nullopt;
    const int height = coordinate(size, "height");
    const int width = coordinate(size, "width");
    if (height <= 0 || width <= 0) return std::nullopt;
    return ImageSize{height, width};
  }

  void append_rows(const std::string& photo, std::optional<ImageSize> photo_size,
                   std::vector<Row>& rows) const {
    for (const auto* object = annotation_->FirstChildElement("object"); object != nullptr;
         object = object->NextSiblingElement("object")) {
      const std::string label = text_of(object, "name");
      if (const auto box = visible_box(box_of(object), photo_size)) {
        rows.push_back({photo, label, box});
      }
    }
  }

 private:
  std::string content() const {
    std::error_code ignored;
    std::ifstream stream;
    if (fs::is_regular_file(path_, ignored)) stream.open(path_, std::ios::binary);
    std::string text(std::istreambuf_iterator<char>(stream), {});
    if (!stream.is_open() || stream.bad()) fail(ExitCode::no_input, "{}: cannot be read", path_);
    return text;
  }

  std::string text_of(const tinyxml2::XMLElement* parent, const char* name) const {
    const auto* child = parent->FirstChildElement(name);
    const char* raw = child == nullptr ? nullptr : child->GetText();
    const std::string_view text = trimmed(raw == nullptr ? "" : raw);
    if (text.empty()) {
      fail(ExitCode::data, "{}: line {}: <{}> has no <{}>", path_, parent->GetLineNum(),
           parent->Name(), name);
    }
    if (std::any_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; })) {
      fail(ExitCode::data, "{}: line {}: <{}> holds a control character", path_,
           child->GetLineNum(), name);
    }
    return std::string(text);
  }

  /// A whole number of pixels; fractions, which some tools write, are rounded.
  int coordinate(const tinyxml2::XMLElement* parent, const char* name) const {
    const std::string text = text_of(parent, name);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(std::abs(value) < 1e9)) {
      fail(ExitCode::data, "{}: line {}: <{}> is {}, not a number of pixels", path_,
           parent->GetLineNum(), name, text);
    }
    return static_cast<int>(std::lround(value));
  }

  Box box_of(const tinyxml2::XMLElement* object) const {
    const auto* box = object->FirstChildElement("bndbox");
    if (box == nullptr) {
      fail(ExitCode::data, "{}: line {}: <object> has no <bndbox>", path_, object->GetLineNum());
    }
    return {coordinate(box, "xmin"), coordinate(box, "ymin"), coordinate(box, "xmax"),
            coordinate(box, "ymax")};
  }

  /// The part of the box that lies in the photo; nothing if there is none.
  std::optional<Box> visible_box(Box box, std::optional<ImageSize> size) const {
    const std::string given =
        fmt::format("{}: box ({}, {}) to ({}, {})", path_, box.xmin, box.ymin, box.xmax, box.ymax);
    if (size.has_value()) {
      const auto width = static_cast<int>(size->width);
      const auto height = static_cast<int>(size->height);
      const Box clipped{std::clamp(box.xmin, 0, width), std::clamp(box.ymin, 0, height),
                        std::clamp(box.xmax, 0, width), std::clamp(box.ymax, 0, height)};
      const bool leaves = clipped.xmin != box.xmin || clipped.ymin != box.ymin ||
                          clipped.xmax != box.xmax || clipped.ymax != box.ymax;
      box = clipped;
      if (leaves && !empty(box)) {
        report_(fmt::format("warning: {} leaves its photo of {}x{} pixels: clipped", given, width,
                            height));
      }
    }
    if (empty(box)) {
      report_(fmt::format("warning: {} is empty or outside its photo: dropped", given));
      return std::nullopt;
    }
    return box;
  }

  static bool empty(const Box& box) { return box.xmin >= box.xmax || box.ymin >= box.ymax; }

  std::string path_;
  const Report& report_;
  tinyxml2::XMLDocument document_;
  const tinyxml2::XMLElement* annotation_ = nullptr;
};

std::vector<Row> read_voc(const fs::path& folder, const fs::path& image_folder,
                          const Report& report) {
  const auto files = sorted_entries(
      folder, [](const fs::path& path) { return path.extension() == ".xml" && !is_folder(path); });
  if (files.empty())
    fail(ExitCode::no_input, "{}: no annotations in it; they are *.xml files", folder.string());
  std::vector<Row> rows;
  for (const fs::path& path : files) {
    const VocFile file(path, report);
    const std::string photo = file.photo(image_folder);
    const auto size = read_image_size(image_folder / photo);
    file.append_rows(photo, size ? size : file.size(), rows);
  }
  if (rows.empty())
    fail(ExitCode::data, "{}: no <object> with a box in any annotation", folder.string());
  return rows;
}

std::vector<Row> read_class_folders(const fs::path& folder) {
  std::vector<Row> rows;
  for (const fs::path& class_folder : sorted_entries(folder, is_folder)) {
    const std::string label = class_folder.filename().string();
    for (const fs::path& photo : sorted_entries(class_folder, has_image_extension)) {
      rows.push_back({label + "/" + photo.filename().string(), label, std::nullopt});
    }
  }
  if (rows.empty()) {
    fail(ExitCode::no_input, "{}: no annotations and no photos in it; {}", folder.string(),
         kExpected);
  }
  return rows;
}

}  // namespace

void report_on_stderr(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

Annotations read_annotations(const fs::path& folder, const Report& report) {
  if (!is_folder(folder)) {
    std::error_code ignored;
    fail(ExitCode::no_input, "{}: {}; {}", folder.string(),
         fs::exists(folder, ignored) ? "not a folder" : "no such folder", kExpected);
  }
  const fs::path annotations = folder / "annotations";
  const fs::path images = folder / "images";
  if (!is_folder(annotations) && !is_folder(images)) return {folder, read_class_folders(folder)};
  for (const fs::path& part : {annotations, images}) {
    if (!is_folder(part)) {
      fail(ExitCode::no_input, "{}: no such folder; {}", part.string(), kExpected);
    }
  }
  return {images, read_voc(annotations, images, report)};
}

std::vector<Row> read_voc_file(const fs::path& path, const std::string& photo, ImageSize size,
                               const Report& report) {
  std::vector<Row> rows;
  VocFile(path, report).append_rows(photo, size, rows);
  return rows;
}

}  // namespace ember
