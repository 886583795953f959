#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nn/history.h"
#include "nn/train.h"

namespace ember {

/// Makes the folder that `option` names; an empty one may be there. Throws Error(cannot_create)
/// when it holds something already or cannot be made or written.
void make_new_folder(const std::filesystem::path& folder, const std::string& option);

/// The folder that holds what one run leaves behind. Its files appear whole; the folder goes again
/// where the run has come to nothing.
class RunFolder {
 public:
  /// Makes `output_dir`, or the first `runs/<app>-<n>` that does not exist yet where it is empty.
  /// Throws as make_new_folder.
  RunFolder(const std::filesystem::path& output_dir, const std::string& app);

  /// Opens the folder of a run that goes on, and removes what was half-written in it. Throws
  /// Error(cannot_create) when it cannot be written, Error(usage) when the run is under way.
  static RunFolder reopen(const std::filesystem::path& folder);

  /// Removes the folder and what was written to it, and `runs` where it is empty then, unless there
  /// was something to keep.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  void write(const std::string& name, std::string_view content);
  /// Makes a folder in it.
  void make_folder(const std::string& name);

  /// From now on the folder stays.
  void keep() { kept_ = true; }

 private:
  explicit RunFolder(std::filesystem::path path);

  std::filesystem::path path_;
  int lock_;  ///< a descriptor of the folder, which keeps other processes from going on with the
              ///< run
  std::vector<std::string> written_;
  bool kept_ = false;
};

/// results.csv: a line an epoch, fields empty where there was no validation. Times stand in the
/// last three columns alone.
std::string results_csv(const History& history);

/// A field of a CSV file (RFC 4180): quoted where it has to be.
std::string csv_field(const std::string& text);

/// Adds each epoch to `history` and writes that under the name given. The first epoch makes the run
/// worth keeping.
class CsvLog : public Callback {
 public:
  CsvLog(RunFolder& folder, std::string name, History& history)
      : folder_(folder), name_(std::move(name)), history_(history) {}
  bool on_epoch_end(Model& model, const EpochResult& result) override;

 private:
  RunFolder& folder_;
  std::string name_;
  History& history_;
};

}  // namespace ember
