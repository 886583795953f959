#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/image.h"

namespace ember {

/// A face's place in its photo, in pixels of the photo as it is displayed (after its EXIF
/// orientation): columns [xmin, xmax) and rows [ymin, ymax).
struct Box {
  int xmin;
  int ymin;
  int xmax;
  int ymax;
};

/// One labelled object: a line of the study's table.
struct Row {
  std::string file;        ///< relative to the image folder, with forward slashes
  std::string label;       ///< name of its class
  std::optional<Box> box;  ///< absent where a whole photo carries the label
};

/// The rows of one data set, in the order in which its layout lists them.
struct Annotations {
  std::filesystem::path image_folder;
  std::vector<Row> rows;
};

/// Takes one line of text for the user, without a newline.
using Report = std::function<void(const std::string& line)>;

/// Writes the line on stderr.
void report_on_stderr(const std::string& line);

/// Reads a data set in either of two layouts:
///
/// - PASCAL VOC (Everingham et al., "The PASCAL Visual Object Classes Challenge"):
///   `folder/annotations/*.xml`, read in byte order of their file names, one row an `<object>`,
///   photos in `folder/images`. A box that leaves its photo is clipped and an empty one dropped,
///   each with a warning. The photo's own size counts, or `<size>` where the photo cannot be read.
/// - one folder a class: `folder/CLASS/*.{jpg,jpeg,png,bmp}`, classes and photos in byte order, no
///   boxes.
///
/// Throws Error(no_input) when the folder is missing or has neither layout, Error(data) when an
/// annotation is malformed, names a photo outside the image folder, or when there is no row at all.
Annotations read_annotations(const std::filesystem::path& folder,
                             const Report& report = report_on_stderr);

/// The rows of one PASCAL VOC file for a photo that is known already: neither <filename> nor <size>
/// is asked. Boxes and errors as of read_annotations; Error(no_input) when there is no such file.
std::vector<Row> read_voc_file(const std::filesystem::path& path, const std::string& photo,
                               ImageSize size, const Report& report = report_on_stderr);

}  // namespace ember
