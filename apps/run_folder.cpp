#include "apps/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "tensor/atomic_file.h"
#include "tensor/error.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRuns = "runs";  // where runs stand that are given no folder

[[noreturn]] void fail_to_make(const fs::path& folder, const std::error_code& error) {
  fail(code_of_failed_creation(error.value()), "{}: cannot make the folder: {}", folder.string(),
       error.message());
}

void make_parents(const fs::path& folder) {
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (error) fail_to_make(folder, error);
}

// True when this call made the folder, so that two runs never share one.
bool make_folder(const fs::path& folder) {
  std::error_code error;
  const bool made = fs::create_directory(folder, error);
  if (error && error != std::errc::file_exists) fail_to_make(folder, error);
  return made;
}

fs::path first_free(const std::string& app) {
  make_parents(fs::path(kRuns) / app);
  for (int64_t n = 1;; ++n) {
    fs::path folder = fs::path(kRuns) / fmt::format("{}-{}", app, n);
    if (make_folder(folder)) return folder;
  }
}

/// Locks the folder until the descriptor is closed, which the end of the process does at the
/// latest.
int locked(const fs::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(descriptor);
    fail(ExitCode::usage, "{}: this run is under way; stop it first", folder.string());
  }
  return descriptor;  // of a file system that knows no locks, one without
}

fs::path given(const fs::path& folder) {
  make_new_folder(folder, "--output-dir");
  return folder;
}

}  // namespace

void make_new_folder(const fs::path& folder, const std::string& option) {
  make_parents(folder);
  if (!make_folder(folder)) {
    std::error_code error;
    if (!fs::is_directory(folder, error) || !fs::is_empty(folder, error) || error) {
      fail(ExitCode::cannot_create,
           "{}: exists already, and nothing in it is to be overwritten; give another {}",
           folder.string(), option);
    }
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    fail(ExitCode::cannot_create, "{}: cannot write into the folder; give another {}",
         folder.string(), option);
  }
}

RunFolder::RunFolder(const fs::path& output_dir, const std::string& app)
    : path_(output_dir.empty() ? first_free(app) : given(output_dir)), lock_(locked(path_)) {}

RunFolder::RunFolder(fs::path path) : path_(std::move(path)), lock_(locked(path_)), kept_(true) {
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(path_, ignored)) {
    if (is_temporary(entry.path())) fs::remove(entry.path(), ignored);
  }
}

RunFolder RunFolder::reopen(const fs::path& folder) {
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    fail(ExitCode::cannot_create, "{}: cannot write into the folder; make it writable",
         folder.string());
  }
  return RunFolder(folder);
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) close(lock_);
  if (kept_) return;
  std::error_code ignored;
  for (auto name = written_.rbegin(); name != written_.rend(); ++name) {
    fs::remove(path_ / *name, ignored);
  }
  fs::remove(path_, ignored);
  if (path_.parent_path() == kRuns) fs::remove(kRuns, ignored);  // if it is empty
}

void RunFolder::write(const std::string& name, std::string_view content) {
  write_file(path_ / name, content);
  written_.push_back(name);
}

void RunFolder::make_folder(const std::string& name) {
  std::error_code error;
  fs::create_directory(path_ / name, error);
  if (error) fail_to_make(path_ / name, error);
  written_.push_back(name);
}

std::string results_csv(const History& history) {
  std::string csv =
      "stage,epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,ms_per_step,"
      "ms_waited\n";
  for (const EpochResult& epoch : history) {
    const auto validated = [&](double value) {
      return epoch.validated() ? fmt::format("{:.8g}", value) : "";
    };
    csv += fmt::format("{},{},{:.8g},{:.8g},{},{},{:.8g},{:.3f},{:.3f},{:.3f}\n", epoch.stage,
                       epoch.epoch, epoch.loss, epoch.accuracy, validated(epoch.val_loss),
                       validated(epoch.val_accuracy), epoch.learning_rate, epoch.seconds,
                       epoch.ms_per_step, epoch.ms_waited);
  }
  return csv;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

bool CsvLog::on_epoch_end(Model&, const EpochResult& result) {
  history_.push_back(result);
  folder_.write(name_, results_csv(history_));
  folder_.keep();
  return true;
}

}  // namespace ember
