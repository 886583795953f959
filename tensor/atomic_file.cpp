#include "tensor/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace ember {
namespace {

constexpr std::string_view kTemporary = ".tmp-";  // and the number of the process

std::string reason(int error) { return std::generic_category().message(error); }

// A rename lasts through a power failure only when its folder has reached the disk too.
void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a folder may be writable and not readable
  fsync(descriptor);           // some file systems refuse this for folders: nothing to be done
  close(descriptor);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path_, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    fail(ExitCode::cannot_create, "{}: exists and is not a file; choose another name",
         path_.string());
  }
  temporary_ = path_;
  temporary_ += fmt::format("{}{}", kTemporary, getpid());
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    fail(code_of_failed_creation(errno), "{}: cannot be created: {}", path_.string(),
         reason(errno));
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(ExitCode::io, "{}: writing failed: {}", path_.string(), reason(errno));
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::commit() {
  const bool flushed = fsync(descriptor_) == 0;
  const int flush_error = errno;
  const bool closed = close(std::exchange(descriptor_, -1)) == 0;
  if (!flushed || !closed) {
    fail(ExitCode::io, "{}: writing failed: {}", path_.string(),
         reason(flushed ? errno : flush_error));
  }
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail(code_of_failed_creation(errno), "{}: cannot be created: {}", path_.string(),
         reason(errno));
  }
  temporary_.clear();
  sync_folder(path_.has_parent_path() ? path_.parent_path() : ".");
}

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

ExitCode code_of_failed_creation(int error) {
  return error == ENOSPC || error == EDQUOT ? ExitCode::io : ExitCode::cannot_create;
}

bool is_temporary(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  const size_t at = name.rfind(kTemporary);
  return at != std::string::npos && at + kTemporary.size() < name.size() &&
         name.find_first_not_of("0123456789", at + kTemporary.size()) == std::string::npos;
}

}  // namespace ember
