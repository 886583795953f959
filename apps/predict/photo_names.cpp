#include "apps/predict/photo_names.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "data/image.h"
#include "tensor/error.h"
#include "tensor/interrupt.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

/// Whether standard input has something to read, its end included.
bool has_input(int milliseconds) {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return poll(&input, 1, milliseconds) > 0;
}

/// Adds the photos below a folder. Links to folders are not followed, as they may lead in circles.
void add_photos_below(const fs::path& folder, std::deque<PhotoName>& photos) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (!entry->path().filename().native().starts_with('.')) entries.push_back(*entry);
  }
  if (error) {
    photos.push_back(
        {folder, fmt::format("{}: cannot be listed: {}", folder.string(), error.message())});
    return;
  }
  std::sort(entries.begin(), entries.end());
  for (const fs::directory_entry& entry : entries) {
    if (entry.is_directory(error)) {
      if (!entry.is_symlink(error)) add_photos_below(entry.path(), photos);
    } else if (has_image_extension(entry.path())) {
      photos.push_back({entry.path()});
    }
  }
}

}  // namespace

std::optional<std::string> InputLines::next(bool wait) {
  constexpr int kTick = 100;  // milliseconds between two looks for Ctrl-C
  for (;;) {
    const size_t end = text_.find('\n');
    if (end != std::string::npos || ended_) {
      if (text_.empty()) return std::nullopt;
      std::string line = text_.substr(0, end);
      text_.erase(0, end == std::string::npos ? end : end + 1);
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) return line;
      continue;
    }
    if (!has_input(0) && !wait) return std::nullopt;
    while (!has_input(kTick)) check_interrupt();
    std::array<char, 4096> bytes{};
    const ssize_t count = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count < 0) fail(ExitCode::io, "standard input: reading failed: {}", std::strerror(errno));
    ended_ = count == 0;
    text_.append(bytes.data(), static_cast<size_t>(count));
  }
}

void PhotoNames::find(const fs::path& argument) {
  std::error_code ignored;
  if (!fs::is_directory(argument, ignored)) {
    found_.push_back({argument});
    return;
  }
  add_photos_below(argument, found_);
  if (found_.empty()) {
    found_.push_back(
        {argument,
         fmt::format("{}: no photo in this folder; they are JPEG, PNG or BMP", argument.string())});
  }
}

bool PhotoNames::has_next(bool wait) {
  while (found_.empty()) {
    if (arguments_.empty()) return false;
    if (arguments_.front() != "-") {
      find(arguments_.front());
      arguments_.pop_front();
      continue;
    }
    const auto line = lines_.next(wait);
    if (line) find(*line);
    if (!line && !wait) return false;
    if (!line) arguments_.pop_front();  // standard input has ended
  }
  return true;
}

std::vector<PhotoName> PhotoNames::next(size_t most) {
  std::vector<PhotoName> names;
  while (names.size() < most && has_next(names.empty())) {
    names.push_back(std::move(found_.front()));
    found_.pop_front();
  }
  return names;
}

}  // namespace ember
