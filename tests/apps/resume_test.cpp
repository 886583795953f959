// Runs that are interrupted, killed or damaged, and go on.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "apps/checkpoint.h"
#include "data/faces.h"
#include "tensor/error.h"
#include "tensor/temporary_folder.h"
#include "tests/apps/testing.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

/// Two stages with early stopping; cross-validation of face crops.
const std::string kTwoStages =
    "train_mobilenet --image-size 32 --epochs 3 --batch-size 8 --data-dir faces --weights "
    "base.safetensors --finetune --finetune-epochs 3 --patience 2 --progress none ";
const std::string kFolds =
    "train_baseline --image-size 16 --epochs 3 --batch-size 8 --data-dir faces --protocol faces "
    "--folds 2 --progress none ";

/// `--foreground`: else the signal comes twice, and a second one ends a program at once.
Outcome run_for(double seconds, const char* signal, const fs::path& folder,
                const std::string& command) {
  const std::string line =
      fmt::format("cd '{}' && timeout --foreground -s {} {} '{}'/{} >stdout.txt 2>stderr.txt",
                  folder.string(), signal, seconds, EMBER_PROGRAM_DIR, command);
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, content(folder / "stdout.txt"),
          content(folder / "stderr.txt")};
}

/// The newest one last.
std::vector<fs::path> checkpoints_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("checkpoint-")) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    return std::pair(a.string().size(), a) < std::pair(b.string().size(), b);
  });
  return found;
}

/// Ends the run `r` by a signal again and again, each time a little later, until it is complete.
/// Returns how many pieces that takes.
int run_in_pieces(const fs::path& folder, const std::string& command, const char* signal) {
  const std::string program = command.substr(0, command.find(' '));
  fs::remove_all(folder / "r");
  int pieces = 0;
  for (double seconds = 0.03;; seconds *= 1.15, ++pieces) {
    const bool begun = fs::exists(folder / "r/args.json");
    if (begun && fs::exists(folder / "r/report.json") && checkpoints_in(folder / "r").empty()) {
      return pieces;
    }
    if (!begun) fs::remove_all(folder / "r");  // it was ended before it had written its options
    const Outcome outcome =
        run_for(seconds, signal, folder,
                begun ? program + " --resume r --progress none" : command + "--output-dir r");
    CAPTURE(outcome.errors);
    REQUIRE(outcome.errors.find("error: ") == std::string::npos);
  }
}

}  // namespace

TEST_CASE("a run that is interrupted or killed again and again ends like one that is not") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 24, 1);
  write_base(folder / "base.safetensors");
  for (const std::string& command : {kTwoStages, kFolds}) {
    CAPTURE(command);
    fs::remove_all(folder / "whole");
    REQUIRE(run(folder.path(), command + "--output-dir whole").code == 0);
    CHECK(checkpoints_in(folder / "whole").empty());
    for (const char* signal : {"TERM", "KILL"}) {
      CAPTURE(signal);
      CHECK(run_in_pieces(folder.path(), command, signal) > 3);
      check_equal_runs(folder / "whole", folder / "r");
      CHECK(checkpoints_in(folder / "r").empty());
    }
  }
}

TEST_CASE("a run that is killed at random moments always leaves a whole checkpoint") {
  const char* asked = std::getenv("EMBER_KILLS");
  const int kills = asked == nullptr ? 4 : std::atoi(asked);
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 24, 1);
  write_base(folder / "base.safetensors");
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(run(folder.path(), kTwoStages + "--output-dir whole").code == 0);
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - begin;
  std::mt19937 random(1);
  std::uniform_real_distribution<double> moment(0.01, whole.count());
  int killed = 0;
  while (killed < kills) {
    fs::remove_all(folder / "r");
    bool has_checkpoint = false;
    for (bool complete = false; !complete;) {
      const bool begun = fs::exists(folder / "r/args.json");
      if (!begun) fs::remove_all(folder / "r");
      const Outcome outcome = run_for(
          moment(random), "KILL", folder.path(),
          begun ? "train_mobilenet --resume r --progress none" : kTwoStages + "--output-dir r");
      CAPTURE(outcome.errors);
      REQUIRE(outcome.errors.find("error: ") == std::string::npos);
      complete = fs::exists(folder / "r/report.json") && checkpoints_in(folder / "r").empty();
      if (complete) break;
      ++killed;
      if (!fs::exists(folder / "r")) continue;  // it was killed before it had a folder
      std::vector<std::string> damaged;
      const auto found = Checkpoints(folder / "r").newest([&](const std::string& line) {
        damaged.push_back(line);
      });
      CHECK(damaged.empty());
      // While report.json stands already, the checkpoints are on their way out.
      const bool ends = fs::exists(folder / "r/report.json");
      CHECK((found.has_value() || !has_checkpoint || ends));
      has_checkpoint = found.has_value();
    }
    check_equal_runs(folder / "whole", folder / "r");
  }
  MESSAGE("killed ", killed, " times");
}

TEST_CASE("a damaged checkpoint is passed over") {
  const TemporaryFolder folder;
  const Checkpoints checkpoints(folder.path());
  CHECK_FALSE(checkpoints.newest());
  for (const float value : {1.0f, 2.0f, 3.0f}) {
    checkpoints.save({fmt::format("{}", value),
                      {{"a", Tensor::filled({5}, value)}, {"b", Tensor::filled({2, 2}, -value)}}});
  }
  const auto files = checkpoints_in(folder.path());
  REQUIRE(files.size() == 2);  // the newest two stay
  const std::string newest = content(files[1]);
  std::vector<std::string> lines;
  const Report report = [&](const std::string& line) { lines.push_back(line); };
  CHECK(checkpoints.newest(report)->state == "3");
  CHECK(checkpoints.newest(report)->tensors.at("b").values()[0] == -3);
  CHECK(lines.empty());
  // Any byte may have changed, or the end be missing.
  for (size_t at = 0; at < newest.size(); at += 7) {
    std::string damaged = newest;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    write_text(files[1], at % 2 == 0 ? damaged : newest.substr(0, at));
    lines.clear();
    const auto found = checkpoints.newest(report);
    REQUIRE(found);
    // A changed space between or behind the JSON's parts is no damage to what it says.
    if (found->state == "3") {
      CHECK(found->tensors.at("a").values()[4] == 3);
      continue;
    }
    CHECK(found->state == "2");
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find(files[1].filename().string()) != std::string::npos);
  }
  write_text(files[0], "");
  CHECK_FALSE(checkpoints.newest(report));
}

TEST_CASE("what cannot be resumed is refused") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 20, 1);
  const auto refused = [&](const std::string& command, int code, const std::string& part) {
    check_refused(folder.path(), command, code, part);
  };
  REQUIRE(run(folder.path(), kBaseline + "--output-dir r").code == 0);
  refused("train_baseline --resume nowhere", 66, "nowhere");
  refused("train_baseline --resume faces", 66, "faces");
  refused("train_mobilenet --resume r", 65, "train_baseline");
  refused("train_baseline --resume r", 64, "complete");
  refused("train_baseline --resume r --epochs 3", 64, "--epochs");
  refused("train_baseline --epochs 3 --resume r", 64, "--epochs");
  refused("train_baseline --resume ''", 64, "--resume");

  // Other photos than the run began with.
  const std::string longer = "train_baseline --image-size 16 --epochs 2000 --data-dir faces ";
  CHECK(run_for(2, "TERM", folder.path(), longer + "--output-dir s").code != 0);
  REQUIRE_FALSE(checkpoints_in(folder / "s").empty());
  CHECK(content(folder / "stderr.txt").find("train_baseline --resume s") != std::string::npos);
  fs::remove_all(folder / "faces");
  write_face_photos(folder / "faces", 20, 2);
  refused("train_baseline --resume s", 65, "s: its photos or first weights");
  write_text(folder / "s/args.json", "{}");
  refused("train_baseline --resume s", 65, "args.json");
}

TEST_CASE("a run goes on from another folder, with the weights that it began with") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 20, 1);
  write_base(folder / "base.safetensors");
  const std::string longer =
      "train_mobilenet --image-size 32 --epochs 2000 --patience 0 --data-dir faces --weights "
      "base.safetensors --output-dir r";
  CHECK(run_for(2, "TERM", folder.path(), longer).code != 0);
  REQUIRE_FALSE(checkpoints_in(folder / "r").empty());
  fs::create_directory(folder / "elsewhere");
  const Outcome outcome = run_for(2, "TERM", folder / "elsewhere", "train_mobilenet --resume ../r");
  CAPTURE(outcome.errors);
  CHECK(outcome.out.find("Going on after step") != std::string::npos);
  CHECK(outcome.errors.find("error: ") == std::string::npos);
  write_base(folder / "base.safetensors", /*seed=*/4);
  check_refused(folder / "elsewhere", "train_mobilenet --resume ../r", 65, "first weights");
}

TEST_CASE("a disk that is full at any write ends a run with the checkpoint before intact") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 24, 1);
  const std::string command =
      "train_baseline --image-size 16 --epochs 2 --batch-size 16 --data-dir faces --progress none ";
  REQUIRE(run(folder.path(), command + "--output-dir whole").code == 0);
  int writes = 0;
  for (bool full = true; full; ++writes) {
    CAPTURE(writes);
    fs::remove_all(folder / "r");
    const std::string line = fmt::format(
        "cd '{}' && FULL_DISK_AT={} LD_PRELOAD='{}' '{}'/{}--output-dir r >stdout.txt 2>stderr.txt",
        folder.path().string(), writes + 1, EMBER_FULL_DISK, EMBER_PROGRAM_DIR, command);
    const int code = WEXITSTATUS(std::system(line.c_str()));
    const std::string errors = content(folder / "stderr.txt");
    CAPTURE(errors);
    full = code != 0;
    if (full) {
      CHECK(code == 74);
      CHECK(errors.find("No space left on device") != std::string::npos);
    }
    if (!fs::exists(folder / "r")) continue;  // the run had not come to anything
    if (full) {
      std::vector<std::string> damaged;
      Checkpoints(folder / "r").newest([&](const std::string& text) { damaged.push_back(text); });
      CHECK(damaged.empty());
      REQUIRE(run(folder.path(), "train_baseline --resume r --progress none").code == 0);
    }
    check_equal_runs(folder / "whole", folder / "r");
  }
  CHECK(writes > 30);
}

}  // namespace ember
