#pragma once

#include <cstddef>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// The photos that arguments name.
namespace ember {

struct PhotoName {
  std::filesystem::path path;
  std::string problem{};  ///< why there is no photo; empty: there may be one
};

/// Names from standard input, one a line.
class InputLines {
 public:
  /// The next line that is not empty. Nothing at the end or, unless it may `wait`, when there is
  /// none yet. Throws Interrupted while it waits.
  std::optional<std::string> next(bool wait);

 private:
  std::string text_;  ///< read, and not yet given away
  bool ended_ = false;
};

/// Lists what arguments stand for: a photo for itself, a folder for every photo below it in byte
/// order, and `-` for what the lines of standard input name, photos or folders, as they come.
class PhotoNames {
 public:
  explicit PhotoNames(const std::vector<std::filesystem::path>& arguments)
      : arguments_(arguments.begin(), arguments.end()) {}

  /// The next names, `most` at most, and fewer where standard input has no more for now; none at
  /// the end.
  std::vector<PhotoName> next(size_t most);

 private:
  /// Whether there is another name. One that standard input has not given yet counts only for who
  /// may `wait`.
  bool has_next(bool wait);
  void find(const std::filesystem::path& argument);

  std::deque<std::filesystem::path> arguments_;
  std::deque<PhotoName> found_;  ///< of the arguments so far
  InputLines lines_;
};

}  // namespace ember
