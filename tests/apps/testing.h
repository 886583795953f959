#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
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
inline void write_base(const std::filesystem::path& path) {
  const ModelDescription description{
      .width_multiplier = 0.35, .classes = {}, .image_size = 32, .scale = "symmetric"};
  Model base = build_model(description);
  base.initialize(3);
  save_model(path, base, description);
}

inline const std::string kBaseline =
    "train_baseline --image-size 32 --epochs 2 --batch-size 16 --data-dir faces ";
inline const std::string kMobilenet =
    "train_mobilenet --image-size 32 --epochs 1 --batch-size 16 --data-dir faces --weights "
    "base.safetensors ";

}  // namespace ember
