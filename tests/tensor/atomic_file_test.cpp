#include "tensor/atomic_file.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <iterator>

#include "tensor/error.h"
#include "tensor/temporary_folder.h"
#include "tests/files.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

size_t count_files(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

// Writes past this size fail, as they do on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

}  // namespace

TEST_CASE("AtomicFile: the file appears at commit and replaces what stood there") {
  const TemporaryFolder folder;
  write_text(folder / "a.txt", "before");
  {
    AtomicFile file(folder / "a.txt");
    file.write("af");
    file.write("ter");
    CHECK(content(folder / "a.txt") == "before");
    CHECK(count_files(folder.path()) == 2);
    file.commit();
  }
  CHECK(content(folder / "a.txt") == "after");
  CHECK(count_files(folder.path()) == 1);
}

TEST_CASE("AtomicFile: without commit nothing stays behind") {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "a.txt");
    file.write("half");
  }
  CHECK(count_files(folder.path()) == 0);
}

TEST_CASE("AtomicFile: a file that cannot be made is reported by name") {
  const TemporaryFolder folder;
  for (const fs::path& path : {folder / "none/a.txt", folder.path()}) {
    try {
      AtomicFile file(path);
      FAIL_CHECK("was made");
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::cannot_create);
      CHECK(std::string(error.what()).starts_with(path.string() + ": "));
    }
  }
  CHECK(count_files(folder.path()) == 0);
}

TEST_CASE("AtomicFile: a write that fails half-way leaves the old file alone") {
  const TemporaryFolder folder;
  write_text(folder / "a.txt", "before");
  {
    const FileSizeLimit limit(1000);
    AtomicFile file(folder / "a.txt");
    file.write(std::string(600, 'x'));
    try {
      file.write(std::string(600, 'x'));
      FAIL_CHECK("was written");
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::io);
      CHECK(std::string(error.what()).starts_with((folder / "a.txt").string() + ": "));
    }
  }
  CHECK(content(folder / "a.txt") == "before");
  CHECK(count_files(folder.path()) == 1);
}

}  // namespace ember
