#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "nn/model_file.h"
#include "tests/files.h"

/// Running the programs, for their tests.
namespace ember {

struct Outcome {
  int code;
  std::string out;
  std::string errors;
};

/// Runs `program arguments` within `folder`.
inline Outcome run(const std::filesystem::path& folder, const std::string& command) {
  const std::string line = fmt::format("cd '{}' && '{}'/{} >stdout.txt 2>stderr.txt",
                                       folder.string(), EMBER_PROGRAM_DIR, command);
  const int status = std::system(line.c_str());
  return {WEXITSTATUS(status), content(folder / "stdout.txt"), content(folder / "stderr.txt")};
}

/// One line `error: ...` that holds `part`, the exit code, and no run folder left behind.
inline void check_refused(const std::filesystem::path& folder, const std::string& command, int code,
                          const std::string& part) {
  CAPTURE(command);
  const Outcome outcome = run(folder, command);
  CAPTURE(outcome.errors);
  CHECK(outcome.code == code);
  const size_t error = outcome.errors.find("error: ");
  REQUIRE(error != std::string::npos);
  CHECK(outcome.errors.find('\n', error) == outcome.errors.size() - 1);
  CHECK(outcome.errors.find(part, error) != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder / "runs"));
}

/// A narrow base with random weights, as `weights/fetch` would leave a real one.
inline void write_base(const std::filesystem::path& path, uint64_t seed = 3) {
  const ModelDescription description{
      .width_multiplier = 0.35, .classes = {}, .image_size = 32, .scale = "symmetric"};
  Model base = build_model(description);
  base.initialize(seed);
  save_model(path, base, description);
}

/// A baseline for drawn faces, as a run would leave it, with random weights.
inline void write_baseline(const std::filesystem::path& path,
                           std::optional<double> margin = std::nullopt, int64_t image_size = 32) {
  const ModelDescription description{
      .architecture = "baseline_cnn",
      .classes = {"with_mask", "without_mask", "mask_weared_incorrect"},
      .image_size = image_size,
      .margin = margin};
  Model model = build_model(description);
  model.initialize(3);
  save_model(path, model, description);
}

/// results.csv without its last three columns.
inline std::string without_times(const std::string& csv) {
  std::string kept;
  for (size_t at = 0; at < csv.size();) {
    const size_t end = csv.find('\n', at);
    std::string line = csv.substr(at, end - at);
    for (int column = 0; column < 3; ++column) line.resize(line.rfind(','));
    kept += line + "\n";
    at = end + 1;
  }
  return kept;
}

/// Two runs left the same, but for times.
inline void check_equal_runs(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(a)) {
    if (entry.is_regular_file()) names.insert(entry.path().lexically_relative(a).string());
  }
  for (const std::string& name : names) {
    CAPTURE(name);
    REQUIRE(std::filesystem::exists(b / name));
    if (name == "args.json" || name == "report.json" || name == "report.html") continue;
    CHECK(content(a / name).size() > 100);
    if (name.ends_with("results.csv")) {
      CHECK(without_times(content(a / name)) == without_times(content(b / name)));
    } else {
      CHECK(content(a / name) == content(b / name));
    }
  }
  auto report_a = nlohmann::json::parse(content(a / "report.json"));
  auto report_b = nlohmann::json::parse(content(b / "report.json"));
  CHECK(report_a.erase("seconds") == 1);
  report_b.erase("seconds");
  CHECK(report_a == report_b);
}

inline const std::string kBaseline =
    "train_baseline --image-size 32 --epochs 2 --batch-size 16 --data-dir faces ";
inline const std::string kMobilenet =
    "train_mobilenet --image-size 32 --epochs 1 --batch-size 16 --data-dir faces --weights "
    "base.safetensors ";

}  // namespace ember
