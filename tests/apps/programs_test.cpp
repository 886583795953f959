// The programs as a user runs them: tiny data, short training.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "data/faces.h"
#include "data/image.h"
#include "tensor/temporary_folder.h"
#include "tests/apps/testing.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

std::string without_times(const std::string& csv) {
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

void check_equal_runs(const fs::path& a, const fs::path& b) {
  for (const char* name : {"best.safetensors", "predictions.csv", "report.txt", "curves.svg",
                           "confusion_matrix.svg"}) {
    CAPTURE(name);
    CHECK(content(a / name).size() > 100);
    CHECK(content(a / name) == content(b / name));
  }
  CHECK(without_times(content(a / "results.csv")) == without_times(content(b / "results.csv")));
  auto report_a = nlohmann::json::parse(content(a / "report.json"));
  auto report_b = nlohmann::json::parse(content(b / "report.json"));
  CHECK(report_a.erase("seconds") == 1);
  report_b.erase("seconds");
  CHECK(report_a == report_b);
}

}  // namespace

TEST_CASE("train_baseline: its folder, equal for any number of threads, and predictions from it") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 20, 1);
  const Outcome outcome = run(folder.path(), kBaseline + "--threads 1");
  CAPTURE(outcome.errors);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.out.find("Epoch 2/2 - ") != std::string::npos);
  CHECK(outcome.out.find(content(folder / "runs/train_baseline-1/report.txt")) !=
        std::string::npos);
  REQUIRE(run(folder.path(), kBaseline + "--threads 2 --progress none").code == 0);

  const fs::path first = folder / "runs/train_baseline-1";
  check_equal_runs(first, folder / "runs/train_baseline-2");
  REQUIRE(run(folder.path(), kBaseline + "--seed 2 --output-dir other").code == 0);
  CHECK(content(first / "best.safetensors") != content(folder / "other/best.safetensors"));

  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(first)) names.insert(entry.path().filename());
  CHECK(names == std::set<std::string>{"args.json", "best.safetensors", "confusion_matrix.svg",
                                       "curves.svg", "predictions.csv", "report.json", "report.txt",
                                       "results.csv"});
  const auto report = nlohmann::json::parse(content(first / "report.json"));
  CHECK(report["parameters"]["total"] == report["parameters"]["trainable"]);
  CHECK(report["split"]["test"] > 0);
  CHECK(content(first / "results.csv").find("baseline,2,") != std::string::npos);

  const Outcome predicted = run(folder.path(),
                                "predict --json --weights runs/train_baseline-1/best.safetensors "
                                "faces/images/*.jpg");
  REQUIRE(predicted.code == 0);
  const auto predictions = nlohmann::json::parse(predicted.out);
  REQUIRE(predictions.size() == 20);
  double sum = 0;
  for (const auto& probability : predictions[0]["probabilities"]) sum += probability.get<double>();
  CHECK(sum == doctest::Approx(1));
  CHECK(report["classes"].size() == predictions[0]["probabilities"].size());
}

TEST_CASE("train_mobilenet: two stages, going on from a trained file, features") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 20, 1);
  write_base(folder / "base.safetensors");
  const std::string finetune = kMobilenet + "--finetune --finetune-epochs 1 --output-dir ";
  const Outcome outcome = run(folder.path(), finetune + "a --scale unit --threads 1");
  CAPTURE(outcome.errors);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.errors.find("warning: --scale unit") != std::string::npos);
  REQUIRE(run(folder.path(), finetune + "b --scale unit --threads 2").code == 0);
  check_equal_runs(folder / "a", folder / "b");
  const std::string results = content(folder / "a" / "results.csv");
  CHECK(results.find("\nfrozen,1,") != std::string::npos);
  CHECK(results.find("\nfinetune,1,") != std::string::npos);

  check_refused(folder.path(), kMobilenet + "--output-dir a", 73, "a: ");
  const std::string trained =
      "train_mobilenet --image-size 32 --epochs 1 --data-dir faces --weights a/best.safetensors ";
  check_refused(folder.path(), trained + "--classes cat,dog", 64, "with_mask");
  CHECK(run(folder.path(), trained + "--output-dir c").code == 0);

  REQUIRE(run(folder.path(),
              "predict --weights base.safetensors --features f.safetensors "
              "--feature-map m.safetensors --image-size 64 faces/images/*.jpg")
              .code == 0);
  CHECK(read_safetensors(folder / "f.safetensors").tensors.at("features").shape() ==
        Shape{20, 1280});
  CHECK(read_safetensors(folder / "m.safetensors").tensors.at("feature_map").shape() ==
        Shape{20, 2, 2, 1280});
  check_refused(folder.path(), "predict --weights base.safetensors faces/images/*.jpg", 65,
                "base.safetensors");
}

TEST_CASE("five other labels, one folder each, in the order that --classes gives") {
  const TemporaryFolder folder;
  for (int label = 0; label < 5; ++label) {
    for (int photo = 0; photo < 4; ++photo) {
      const fs::path path = folder / "faces" / fmt::format("label_{}", label);
      fs::create_directories(path);
      write_image(path / fmt::format("{}.png", photo), draw_face_photo(7, label * 4 + photo).image);
    }
  }
  const Outcome outcome =
      run(folder.path(),
          kBaseline + "--classes label_4,label_3,label_2,label_1,label_0 --output-dir r");
  CAPTURE(outcome.errors);
  REQUIRE(outcome.code == 0);
  const auto report = nlohmann::json::parse(content(folder / "r" / "report.json"));
  CHECK(report["classes"][0] == "label_4");
  CHECK(report["test"]["confusion_matrix"].size() == 5);
  check_refused(folder.path(), kBaseline + "--classes label_0,label_1", 65, "label_0, label_1");
}

}  // namespace ember
