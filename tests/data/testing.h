#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/annotations.h"
#include "data/image.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/files.h"

/// What the tests of data/ share.
namespace ember {

/// Checks that `call` throws an Error of this code whose one line holds every text of `parts`.
template <typename Call>
void check_error(ExitCode code, const std::vector<std::string>& parts, const Call& call) {
  std::string message;
  try {
    call();
  } catch (const Error& error) {
    message = error.what();
    CHECK(error.code() == code);
  }
  INFO("message: " << message);
  REQUIRE_FALSE(message.empty());
  CHECK(message.find('\n') == std::string::npos);
  for (const std::string& part : parts) {
    INFO("expected: " << part);
    CHECK(message.find(part) != std::string::npos);
  }
}

/// Collects what would go to stderr.
class Lines {
 public:
  Report report() {
    return [this](const std::string& line) { lines_.push_back(line); };
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

inline std::vector<uint8_t> read_bytes(const std::filesystem::path& path) {
  const std::string file = content(path);
  return {file.begin(), file.end()};
}

/// Random pixels.
inline ByteTensor noise_image(int64_t height, int64_t width, uint64_t seed) {
  const Philox random(seed, Purpose::faces, 0);
  ByteTensor image({height, width, 3});
  for (int64_t i = 0; i < image.size(); ++i) {
    image.data()[i] = static_cast<uint8_t>(random.bits(static_cast<uint64_t>(i)));
  }
  return image;
}

inline void write_photo(const std::filesystem::path& path, const ByteTensor& image) {
  std::filesystem::create_directories(path.parent_path());
  write_image(path, image);
}

struct VocObject {
  std::string label;
  Box box{1, 1, 3, 3};
};

/// `size` is the text of the <size> element, if any.
inline std::string voc_xml(const std::string& file, const std::vector<VocObject>& objects,
                           const std::string& size = "") {
  std::string xml = "<annotation><filename>" + file + "</filename>" + size;
  for (const auto& [label, box] : objects) {
    xml += fmt::format(
        "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>"
        "<ymax>{}</ymax></bndbox></object>",
        label, box.xmin, box.ymin, box.xmax, box.ymax);
  }
  return xml + "</annotation>";
}

}  // namespace ember
