#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

/// Files of tests, read and written whole.
namespace ember {

/// The bytes of a file; none when there is no such file.
inline std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Writes a file, and makes the folder that it lies in.
inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace ember
