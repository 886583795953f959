#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "tensor/error.h"

namespace ember {

/// A file that appears under its name only when it is complete. It is written to a temporary file
/// in the same folder; `commit` flushes that to the disk and renames it. Without a commit nothing
/// stays behind, and what stood under the name before is untouched.
///
/// Errors name the file: Error(cannot_create) when it cannot be made, Error(io) when a write fails
/// or the disk is full.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_;
};

/// Writes a file at once. Errors as of AtomicFile.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

/// What becomes of a program that cannot make a file or folder, for this `errno`: a full disk is no
/// wrong choice of a name.
ExitCode code_of_failed_creation(int error);

/// Whether a file has the name of a temporary one, which a process that was killed leaves behind.
bool is_temporary(const std::filesystem::path& path);

}  // namespace ember
