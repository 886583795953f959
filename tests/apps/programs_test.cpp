// The programs as a user runs them: tiny data, short training.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "data/faces.h"
#include "data/image.h"
#include "tensor/temporary_folder.h"
#include "tests/apps/testing.h"

namespace ember {
namespace fs = std::filesystem;

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
                                       "curves.svg", "predictions.csv", "report.html",
                                       "report.json", "report.txt", "results.csv"});
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

TEST_CASE("faces: a split that can be given back, numbers with intervals, floors and folds") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 30, 1);
  write_base(folder / "base.safetensors");
  const std::string faces = kMobilenet + "--protocol faces --finetune --finetune-epochs 1 ";
  const Outcome outcome = run(folder.path(), faces + "--output-dir a --threads 1");
  CAPTURE(outcome.errors);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.out.find("24-pixel thumbnails: accuracy 0.") != std::string::npos);
  CHECK(outcome.out.find("Face size") != std::string::npos);
  REQUIRE(run(folder.path(), faces + "--output-dir b --threads 2 --split a/split.json").code == 0);
  check_equal_runs(folder / "a", folder / "b");

  const auto report = nlohmann::json::parse(content(folder / "a/report.json"));
  const auto& test = report["test"];
  CHECK(test["accuracy_interval"][0] < test["accuracy"]);
  CHECK(test["accuracy_interval"][1] > test["accuracy"]);
  CHECK(test["balanced_accuracy_interval"].size() == 2);
  CHECK(test["per_class"]["with_mask"]["recall_interval"].size() == 2);
  CHECK(test["reliability"].size() == 10);
  int64_t sized = 0;
  for (const auto& size : test["by_face_size"]) sized += size["faces"].get<int64_t>();
  CHECK(sized == report["split"]["test"]);
  CHECK(report["floors"]["majority"]["balanced_accuracy"] == doctest::Approx(1.0 / 3));
  CHECK(report["floors"]["thumbnails"]["accuracy"] > 0);

  const std::string page = content(folder / "a/report.html");
  for (const char* part : {"Beside what it has to beat", "Reliability", "By face size", "Layers",
                           "--protocol faces", "What the network is shown"}) {
    CAPTURE(part);
    CHECK(page.find(part) != std::string::npos);
  }
  CHECK(page.find("src=\"http") == std::string::npos);
  CHECK(page.find("src=\"data:image/jpeg;base64,") != std::string::npos);
  CHECK(page.find(">nan") == std::string::npos);

  REQUIRE(run(folder.path(), faces + "--output-dir f --folds 3").code == 0);
  const auto folds = nlohmann::json::parse(content(folder / "f/report.json"))["folds"];
  REQUIRE(folds.size() == 3);
  int64_t tested = 0;
  for (const auto& fold : folds) tested += fold["test"].get<int64_t>();
  const int64_t all = report["split"]["train"].get<int64_t>() +
                      report["split"]["validation"].get<int64_t>() +
                      report["split"]["test"].get<int64_t>();
  CHECK(tested == all);
  const std::string predictions = content(folder / "f/predictions.csv");
  CHECK(std::count(predictions.begin(), predictions.end(), '\n') == all + 1);
  for (const char* name : {"fold-1/best.safetensors", "fold-3/results.csv", "fold-2/curves.svg"}) {
    CHECK(fs::exists(folder / "f" / name));
  }
}

TEST_CASE("train: any network, from random weights and from trained ones") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 20, 1);
  write_base(folder / "base.safetensors");
  const std::string train = "train --image-size 32 --epochs 1 --batch-size 16 --data-dir faces ";
  for (const std::string model : {"resnet10 --width 0.5", "mobilenet_v2 --width 0.35"}) {
    CAPTURE(model);
    const auto train_into = [&](const char* to, const std::string& options) {
      return run(folder.path(), fmt::format("{}--model {} --output-dir {}", train, options, to));
    };
    const Outcome outcome = train_into("a", model + " --threads 1");
    CAPTURE(outcome.errors);
    REQUIRE(outcome.code == 0);
    REQUIRE(train_into("b", model + " --threads 2").code == 0);
    check_equal_runs(folder / "a", folder / "b");
    const std::string name = model.substr(0, model.find(' '));
    const Outcome on = train_into("c", name + " --weights a/best.safetensors");
    CAPTURE(on.errors);
    REQUIRE(on.code == 0);
    const auto args = nlohmann::json::parse(content(folder / "c/args.json"));
    CHECK(args["width"] == nlohmann::json::parse(content(folder / "a/args.json"))["width"]);
    CHECK(run(folder.path(), "predict --weights c/best.safetensors faces/images/*.jpg").code == 0);
    const Outcome table = run(folder.path(), "summary --weights c/best.safetensors");
    CHECK(table.out.find("Model: \"" + name + "\"") != std::string::npos);
    for (const char* run_folder : {"a", "b", "c"}) fs::remove_all(folder / run_folder);
  }
  CHECK(run(folder.path(), train + "--model mobilenet_v2 --weights base.safetensors").code == 0);
}

TEST_CASE("summary: the layer table of any network") {
  const TemporaryFolder folder;
  const auto table = [&](const std::string& options) {
    const Outcome outcome = run(folder.path(), "summary --model " + options);
    CAPTURE(outcome.errors);
    CHECK(outcome.code == 0);
    return outcome.out;
  };
  CHECK(table("baseline_cnn").find("7,392,707") != std::string::npos);
  CHECK(table("resnet10").find("309,363") != std::string::npos);
  CHECK(table("mobilenet_v2").find("2,422,339") != std::string::npos);
  CHECK(table("mobilenet_v2 --classes 0 --image-size 224").find("2,257,984") != std::string::npos);
  CHECK(table("mobilenet_v2 --width 0.35 --classes 0").find("410,208") != std::string::npos);
}

TEST_CASE("the protocols side by side, and what the leak between training and test was worth") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 24, 1);
  for (const char* protocol : {"notebook", "photos", "faces"}) {
    const Outcome outcome = run(folder.path(), fmt::format("{} --protocol {} --output-dir run-{}",
                                                           kBaseline, protocol, protocol));
    CAPTURE(outcome.errors);
    REQUIRE(outcome.code == 0);
  }
  // All rows of the notebook's classes are there in training as often, those of the test as they
  // are.
  const auto report = nlohmann::json::parse(content(folder / "run-photos/report.json"));
  CHECK(report["split"]["train"].get<int64_t>() % 3 == 0);
  CHECK(fs::exists(folder / "run-photos/split.json"));
  CHECK_FALSE(fs::exists(folder / "run-notebook/split.json"));

  REQUIRE(run(folder.path(), "compare_runs run-notebook run-photos run-faces --output page.html")
              .code == 0);
  const std::string page = content(folder / "page.html");
  const auto balanced = [&](const char* run_folder) {
    return nlohmann::json::parse(
               content(folder / run_folder / "report.json"))["test"]["balanced_accuracy"]
        .get<double>();
  };
  const std::string leak =
      fmt::format("<b>{:.3f}</b>", balanced("run-notebook") - balanced("run-photos"));
  CHECK(page.find("What the leak was worth") != std::string::npos);
  CHECK(page.find(leak) != std::string::npos);
  CHECK(page.find(fmt::format("{:.3f} (", balanced("run-faces"))) != std::string::npos);
  CHECK(page.find("src=\"http") == std::string::npos);

  // Runs that differ in more than the protocol say nothing about the leak.
  REQUIRE(run(folder.path(), kBaseline + "--protocol photos --seed 2 --output-dir run-2").code ==
          0);
  REQUIRE(
      run(folder.path(), "compare_runs run-notebook run-2 run-faces --output other.html").code ==
      0);
  CHECK(content(folder / "other.html").find("leak") == std::string::npos);
  write_text(folder / "run-faces/report.json", "{}");
  check_refused(folder.path(), "compare_runs run-photos run-faces --output third.html", 65,
                "run-faces: ");
  CHECK_FALSE(fs::exists(folder / "third.html"));
}

TEST_CASE("weights of faces that were cut out know their margin, and hand it on") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 20, 1);
  write_base(folder / "base.safetensors");
  REQUIRE(run(folder.path(), kMobilenet + "--protocol faces --output-dir a").code == 0);
  REQUIRE(run(folder.path(), kMobilenet + "--protocol faces --output-dir b --margin 40").code == 0);
  const auto margin_of = [&](const char* name) {
    return read_model_file(folder / name / "best.safetensors").description.margin;
  };
  CHECK(margin_of("a") == 15);
  CHECK(margin_of("b") == 40);

  const std::string further =
      "train_mobilenet --image-size 32 --epochs 1 --data-dir faces --weights b/best.safetensors ";
  CHECK(run(folder.path(), further + "--protocol faces --output-dir c").errors.find("--margin") ==
        std::string::npos);
  CHECK(margin_of("c") == 40);
  CHECK(run(folder.path(), further + "--protocol faces --output-dir d --margin 15")
            .errors.find("warning: --margin 15: the weights were trained with 40") !=
        std::string::npos);
  CHECK(margin_of("d") == 15);
  REQUIRE(run(folder.path(), further + "--output-dir e").code == 0);
  CHECK_FALSE(margin_of("e").has_value());
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
