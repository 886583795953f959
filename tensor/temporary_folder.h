#pragma once

#include <filesystem>
#include <string_view>

namespace ember {

/// An empty folder among the system's temporary files (TMPDIR), gone with everything in it when the
/// object is. Throws Error(cannot_create) when it cannot be made.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace ember
