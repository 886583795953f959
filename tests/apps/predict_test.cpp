// `predict` as a user runs it.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "apps/predict/prediction.h"
#include "data/face_dataset.h"
#include "data/faces.h"
#include "data/image.h"
#include "tensor/temporary_folder.h"
#include "tests/apps/testing.h"
#include "tests/data/testing.h"
#include "tests/golden.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

const std::string kPredict = "predict --device cpu --weights w.safetensors ";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// The fields of a line without quotes.
std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
  return fields;
}

/// A folder with drawn faces and weights for them.
void write_faces_and_weights(const fs::path& folder, int64_t photos,
                             std::optional<double> margin = std::nullopt) {
  write_face_photos(folder / "faces", photos, 1);
  write_baseline(folder / "w.safetensors", margin);
}

/// The largest memory of a shell command and what it starts, in bytes.
int64_t peak_memory(const std::string& command) {
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  REQUIRE(wait4(child, &status, 0, &usage) == child);
  REQUIRE(WEXITSTATUS(status) == 0);
  return int64_t{usage.ru_maxrss} * 1024;
}

/// Checks that each annotated face of a data set is shown to the network as in training.
void check_shown_as_in_training(const fs::path& folder) {
  Lines warnings;
  const FaceDataset trained = load_face_dataset({.folder = folder,
                                                 .classes = {},
                                                 .image_size = 64,
                                                 .progress = nullptr,
                                                 .report = warnings.report()});
  const Dataset& data = trained.data;
  const Viewing viewing{
      .side = 64, .classes = data.classes, .margin = 15, .annotations = folder / "annotations"};
  int64_t row = 0;
  while (row < data.row_count()) {
    const std::string file = data.rows[static_cast<size_t>(row)].file;
    CAPTURE(file);
    const Photo photo = view_photos({{data.image_folder / file}}, viewing)[0];
    REQUIRE(photo.problem.empty());
    REQUIRE_FALSE(photo.predictions.empty());
    for (const Prediction& face : photo.predictions) {
      REQUIRE(row < data.row_count());
      const auto expected = data.pixels_of(row).values();
      const auto shown = face.input.values();
      CHECK(std::equal(shown.begin(), shown.end(), expected.begin(), expected.end()));
      CHECK(face.truth == static_cast<size_t>(data.labels[static_cast<size_t>(row)]));
      ++row;
    }
  }
}

}  // namespace

TEST_CASE("predict: photos, folders and names from standard input, in any batch") {
  const TemporaryFolder folder;
  write_faces_and_weights(folder.path(), 40);
  write_text(folder / "faces/images/notes.txt", "no photo");
  write_text(folder / "faces/images/.hidden.jpg", "no photo");
  fs::create_directories(folder / "faces/images/empty");
  fs::create_directory_symlink(folder / "faces", folder / "faces/images/circle");

  const Outcome all = run(folder.path(), kPredict + "faces");
  CAPTURE(all.errors);
  REQUIRE(all.code == 0);
  CHECK(all.errors.empty());
  const std::vector<std::string> lines = lines_of(all.out);
  REQUIRE(lines.size() == 40);
  for (size_t i = 0; i < lines.size(); ++i) {
    CHECK(lines[i].starts_with(fmt::format("faces/images/face_{:06}.jpg: ", i)));
  }
  CHECK(run(folder.path(), kPredict + "faces/images/*.jpg").out == all.out);
  CHECK(run(folder.path(), kPredict + "--threads 1 faces").out == all.out);
  for (const size_t i : {0, 17, 39}) {
    const std::string photo = fmt::format("faces/images/face_{:06}.jpg", i);
    CHECK(run(folder.path(), kPredict + photo).out == lines[i] + "\n");
  }

  write_text(folder / "names",
             "faces/images/face_000003.jpg\r\n\n\r\nfaces/images\nfaces/images/face_000005.jpg");
  const auto named = lines_of(run(folder.path(), kPredict + "- <names").out);
  REQUIRE(named.size() == 42);
  CHECK(named[0] == lines[3]);
  CHECK(named[1] == lines[0]);
  CHECK(named[41] == lines[5]);
}

TEST_CASE("predict: an answer comes before the next name") {
  const TemporaryFolder folder;
  write_faces_and_weights(folder.path(), 2);
  // The second name is given when the first one's answer is there, or never.
  const std::string line = fmt::format(
      "cd '{}' && (echo faces/images/face_000000.jpg; for i in $(seq 500); do if [ -s stdout.txt "
      "]; "
      "then echo faces/images/face_000001.jpg; break; fi; sleep 0.02; done) | '{}'/{} - "
      ">stdout.txt",
      folder.path().string(), EMBER_PROGRAM_DIR, kPredict);
  CHECK(std::system(line.c_str()) == 0);
  CHECK(lines_of(content(folder / "stdout.txt")).size() == 2);
}

TEST_CASE("predict: JSON and CSV") {
  const TemporaryFolder folder;
  write_faces_and_weights(folder.path(), 3);
  const std::string odd = "odd, \"name\".jpg";
  fs::copy_file(folder / "faces/images/face_000000.jpg", folder / odd);
  const std::string photos = "faces 'odd, \"name\".jpg'";
  const auto json = nlohmann::json::parse(run(folder.path(), kPredict + "--json " + photos).out);
  REQUIRE(json.size() == 4);
  CHECK(json[3]["file"] == odd);
  CHECK(json[3]["probabilities"] == json[0]["probabilities"]);
  double sum = 0;
  for (const auto& probability : json[0]["probabilities"]) sum += probability.get<double>();
  CHECK(sum == doctest::Approx(1));
  CHECK_FALSE(json[0].contains("box"));

  const auto csv = lines_of(run(folder.path(), kPredict + "--csv " + photos).out);
  REQUIRE(csv.size() == 5);
  CHECK(csv[0] ==
        "file,predicted,probability_with_mask,probability_without_mask,"
        "probability_mask_weared_incorrect");
  CHECK(csv[4].starts_with("\"odd, \"\"name\"\".jpg\"," + json[3]["class"].get<std::string>()));
  CHECK(std::stof(fields_of(csv[1])[2]) == json[0]["probabilities"]["with_mask"].get<float>());
  check_refused(folder.path(), kPredict + "--csv --json faces", 64, "--csv");
}

TEST_CASE("predict: faces have the answers that the training program had for them") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 30, 1);
  write_base(folder / "base.safetensors");
  for (const std::string& program : {kBaseline, kMobilenet}) {
    fs::remove_all(folder / "r");
    REQUIRE(run(folder.path(), program + "--protocol faces --margin 25 --output-dir r").code == 0);
    const std::string predict =
        "predict --device cpu --weights r/best.safetensors --annotations faces/annotations "
        "faces/images ";
    const Outcome outcome = run(folder.path(), predict + "--csv");
    REQUIRE(outcome.code == 0);

    // What comes behind the box: the true class, the predicted one, the probabilities.
    std::multiset<std::string> answers;
    int64_t right = 0;
    const auto predictions = lines_of(outcome.out);
    for (size_t i = 1; i < predictions.size(); ++i) {
      const auto fields = fields_of(predictions[i]);
      REQUIRE(fields.size() == 10);
      right += fields[5] == fields[6] ? 1 : 0;
      answers.insert(fmt::format("{}", fmt::join(fields.begin() + 5, fields.end(), ",")) +
                     fields[0].substr(std::string("faces/images/").size()));
    }
    const auto tested = lines_of(content(folder / "r/predictions.csv"));
    REQUIRE(tested.size() > 5);
    for (size_t i = 1; i < tested.size(); ++i) {
      const auto fields = fields_of(tested[i]);
      const std::string answer =
          fmt::format("{}", fmt::join(fields.begin() + 2, fields.end(), ",")) + fields[0];
      CAPTURE(answer);
      CHECK(answers.contains(answer));
    }

    const size_t faces = predictions.size() - 1;
    const std::string summary = fmt::format("{} faces, {} right: accuracy {:.4f} (", faces, right,
                                            static_cast<double>(right) / faces);
    CHECK(outcome.errors.starts_with(summary));
    CHECK(outcome.errors.find(", balanced accuracy 0.") != std::string::npos);
    const auto text = lines_of(run(folder.path(), predict).out);
    REQUIRE(text.size() == faces + 1);
    CHECK(text.back() + "\n" == outcome.errors);
    CHECK(text[0].starts_with("faces/images/face_000000.jpg ("));
    CHECK(text[0].ends_with("  true: with_mask"));
  }
}

TEST_CASE("predict: faces are shown as in training, drawn ones") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 40, 1);
  check_shown_as_in_training(folder / "faces");
}

TEST_CASE("predict: faces are shown as in training, those of the public photos") {
  const auto photos = test_asset("data/face-mask-detection");
  if (!photos) return;
  check_shown_as_in_training(*photos);
}

TEST_CASE("predict: the margin around faces is that of the weights, or given") {
  const TemporaryFolder folder;
  write_faces_and_weights(folder.path(), 3);
  const std::string faces = kPredict + "--annotations faces/annotations faces/images ";
  check_refused(folder.path(), faces, 64, "--margin PERCENT");
  check_refused(folder.path(), kPredict + "--margin 20 faces/images", 64, "--annotations");
  const Outcome given = run(folder.path(), faces + "--margin 20");
  CHECK(given.code == 0);
  CHECK(given.errors.empty());
  write_baseline(folder / "w.safetensors", 20);
  CHECK(run(folder.path(), faces).out == given.out);
  const Outcome other = run(folder.path(), faces + "--margin 60");
  CHECK(other.errors == "warning: --margin 60: the weights were trained with 20\n");
  CHECK(other.out != given.out);
}

TEST_CASE("predict: annotations that are missing, broken, of other classes, outside the photo") {
  const TemporaryFolder folder;
  write_faces_and_weights(folder.path(), 4, 15);
  const fs::path annotations = folder / "faces/annotations";
  fs::remove(annotations / "face_000000.xml");
  write_text(annotations / "face_000001.xml", "<annotation><object>");
  std::string xml = content(annotations / "face_000002.xml");
  for (size_t at = 0; (at = xml.find("<name>", at)) != std::string::npos;) {
    xml.replace(at, xml.find("</name>", at) - at, "<name>cat");
    at += 6;
  }
  write_text(annotations / "face_000002.xml", xml);
  write_text(annotations / "face_000003.xml", voc_xml("", {{"with_mask", {5000, 1, 6000, 9}}}));

  const std::string predict = kPredict + "--annotations faces/annotations --csv faces/images";
  const Outcome outcome = run(folder.path(), predict);
  CHECK(outcome.code == 66);
  const auto predictions = lines_of(outcome.out);
  REQUIRE(predictions.size() > 1);
  for (size_t i = 1; i < predictions.size(); ++i) {
    CHECK(predictions[i].starts_with("faces/images/face_000002.jpg,"));
    CHECK(fields_of(predictions[i])[5].empty());  // the truth is no class of the model
  }
  const auto errors = lines_of(outcome.errors);
  REQUIRE(errors.size() == 5);
  CHECK(errors[0] ==
        "faces/images/face_000000.jpg: has no annotation faces/annotations/face_000000.xml");
  CHECK(errors[1].starts_with("faces/annotations/face_000001.xml: line 1: not well-formed XML"));
  CHECK(errors[2].starts_with("warning: faces/annotations/face_000003.xml: box (5000, 1)"));
  CHECK(errors[3] == fmt::format("{} faces, 0 of a class of the model", predictions.size() - 1));
  CHECK(errors[4] ==
        "error: 2 of 4 photos could not be read: faces/images/face_000000.jpg, "
        "faces/images/face_000001.jpg");
  check_refused(folder.path(), kPredict + "--annotations gone faces", 66, "gone: no such folder");
}

TEST_CASE("predict: photos that cannot be read are named, and the others have their answer") {
  const TemporaryFolder folder;
  write_faces_and_weights(folder.path(), 1);
  write_text(folder / "text.jpg", "no photo");
  fs::create_directories(folder / "none/below");
  const std::string photo = "faces/images/face_000000.jpg";
  const std::string predict = kPredict + "text.jpg " + photo + " gone.jpg none";
  const Outcome outcome = run(folder.path(), predict);
  CHECK(outcome.code == 66);
  CHECK(outcome.out.starts_with(photo + ": "));
  CHECK(outcome.errors ==
        "Unreadable file: text.jpg\nFile not found: gone.jpg\n"
        "none: no photo in this folder; they are JPEG, PNG or BMP\n"
        "error: 3 of 4 photos could not be read: text.jpg, gone.jpg, none\n");
  CHECK(nlohmann::json::parse(run(folder.path(), predict + " --json").out).size() == 1);

  const Outcome many = run(folder.path(), kPredict + "$(seq 100) " + photo);
  CHECK(many.code == 66);
  CHECK(lines_of(many.errors).back() ==
        "error: 100 of 101 photos could not be read: 1, 2, 3, 4, 5 and 95 more");
  CHECK(lines_of(many.out).size() == 1);

  check_refused(folder.path(), kPredict + "- </dev/null", 66, "standard input names no photo");
  check_refused(folder.path(), kPredict + "- <&-", 74, "standard input: reading failed");
  CHECK(nlohmann::json::parse(run(folder.path(), kPredict + "--json gone.jpg").out).empty());

  // Features have a row a photo, so there every photo must be there.
  write_base(folder / "base.safetensors");
  const std::string features = "predict --weights base.safetensors --features f.safetensors ";
  check_refused(folder.path(), features + photo + " gone.jpg", 66, "gone.jpg");
  check_refused(folder.path(), features + "none", 66, "none: no photo in this folder");
  check_refused(folder.path(), features + "--feature-map m.safetensors - </dev/null", 66,
                "standard input names no photo");
  CHECK_FALSE(fs::exists(folder / "f.safetensors"));
  CHECK_FALSE(fs::exists(folder / "m.safetensors"));
  REQUIRE(run(folder.path(), features + "faces").code == 0);
  CHECK(read_safetensors(folder / "f.safetensors").tensors.at("features").dim(0) == 1);
}

TEST_CASE("predict: options that make no sense together") {
  const TemporaryFolder folder;
  write_base(folder / "base.safetensors");
  const auto refused = [&](const std::string& command, int code, const std::string& part) {
    check_refused(folder.path(), command, code, part);
  };
  const std::string base = "predict --weights base.safetensors ";
  refused("predict", 64, "--help");
  refused("predict --weights nowhere.safetensors a.jpg", 66, "nowhere.safetensors");
  refused(base + "a.jpg", 65, "base.safetensors: has no classes");
  refused(base + "--features '' a.jpg", 64, "--features");
  for (const std::string other : {"--json", "--csv", "--annotate d", "--annotations d"}) {
    refused(fmt::format("{}--features f {} a.jpg", base, other), 64,
            other.substr(0, other.find(' ')));
  }
  refused(base + "--features f --feature-map f a.jpg", 64, "both f");
}

TEST_CASE("predict: standard output that is full or closed") {
  const TemporaryFolder folder;
  write_faces_and_weights(folder.path(), 2);
  const std::string line = fmt::format("cd '{}' && '{}'/{} faces 2>stderr.txt ",
                                       folder.path().string(), EMBER_PROGRAM_DIR, kPredict);
  CHECK(WEXITSTATUS(std::system((line + ">/dev/full").c_str())) == 74);
  CHECK(content(folder / "stderr.txt").starts_with("error: cannot write to standard output"));
  CHECK(WEXITSTATUS(std::system((line + ">&-").c_str())) == 74);
}

TEST_CASE("predict: copies of the photos with what was predicted") {
  const TemporaryFolder folder;
  write_faces_and_weights(folder.path(), 3, 15);
  write_photo(folder / "more/small.png", noise_image(9, 7, 1));
  fs::rename(folder / "more/small.png", folder / "more/small.bmp");
  const std::string before = content(folder / "faces/images/face_000000.jpg");
  const Outcome whole = run(folder.path(), kPredict + "--annotate whole faces more faces more");
  CAPTURE(whole.errors);
  REQUIRE(whole.code == 0);
  REQUIRE(run(folder.path(), kPredict + "--annotate boxes/new --annotations faces/annotations "
                                        "faces/images")
              .code == 0);
  CHECK(content(folder / "faces/images/face_000000.jpg") == before);
  const ByteTensor small = read_image(folder / "whole/more/small.bmp.png");
  CHECK(small.shape() == Shape{9, 7, 3});

  const auto boxes = nlohmann::json::parse(
      run(folder.path(), kPredict + "--json --annotations faces/annotations faces/images").out);
  const ByteTensor photo = read_image(folder / "faces/images/face_000000.jpg");
  const ByteTensor framed = read_image(folder / "whole/faces/images/face_000000.jpg");
  const ByteTensor boxed = read_image(folder / "boxes/new/faces/images/face_000000.jpg");
  CHECK(framed.shape() == photo.shape());
  CHECK(boxed.shape() == photo.shape());
  // By how much a pixel has changed, the largest channel.
  const auto change = [&](const ByteTensor& drawn, int64_t y, int64_t x) {
    int largest = 0;
    for (int64_t i = (y * photo.dim(1) + x) * 3, end = i + 3; i < end; ++i) {
      largest = std::max(largest, std::abs(photo.data()[i] - drawn.data()[i]));
    }
    return largest;
  };
  CHECK(change(framed, photo.dim(0) / 2, 0) > 40);
  CHECK(change(framed, photo.dim(0) - 1, photo.dim(1) / 2) > 40);
  CHECK(change(boxed, photo.dim(0) - 1, photo.dim(1) - 1) < 40);
  const auto& box = boxes[0]["box"];
  const int64_t middle = (box["ymin"].get<int64_t>() + box["ymax"].get<int64_t>()) / 2;
  CHECK(change(boxed, middle, box["xmin"].get<int64_t>() - 1) > 40);

  check_refused(folder.path(), kPredict + "--annotate faces/images faces/images", 73,
                "faces/images: exists already");
  check_refused(folder.path(), kPredict + "--annotate w.safetensors/d faces", 73,
                "w.safetensors/d");
  CHECK(run(folder.path(), kPredict + "--annotate none gone.jpg").code == 66);
  CHECK_FALSE(fs::exists(folder / "none"));
  // Where no file may grow beyond 512 bytes, writing fails as on a full disk.
  const std::string line = fmt::format(
      "cd '{}' && trap '' XFSZ && ulimit -f 1 && '{}'/{} --annotate full faces >/dev/null "
      "2>stderr.txt",
      folder.path().string(), EMBER_PROGRAM_DIR, kPredict);
  CHECK(WEXITSTATUS(std::system(line.c_str())) == 74);
  CHECK(content(folder / "stderr.txt").find(".jpg: writing failed") != std::string::npos);
  for (const auto& entry : fs::recursive_directory_iterator(folder / "full")) {
    CHECK_FALSE(entry.is_regular_file());
  }
}

TEST_CASE("predict: memory does not grow with the photos") {
  const TemporaryFolder folder;
  // Whoever keeps a photo, or what the network is shown of it, keeps 12 KB.
  write_baseline(folder / "w.safetensors", std::nullopt, 64);
  write_photo(folder / "photo.jpg", noise_image(64, 64, 1));
  const auto peak = [&](const std::string& name, int photos) {
    fs::create_directory(folder / name);
    for (int i = 0; i < photos; ++i) {
      fs::create_hard_link(folder / "photo.jpg", folder / name / fmt::format("{}.jpg", i));
    }
    return peak_memory(fmt::format("cd '{}' && '{}'/{} --json --annotate drawn-{} {} >stdout.txt",
                                   folder.path().string(), EMBER_PROGRAM_DIR, kPredict, name,
                                   name));
  };
  const int64_t few = peak("few", 50);
  const int64_t many = peak("many", 1000);
  CAPTURE(few);
  CAPTURE(many);
  CHECK(nlohmann::json::parse(content(folder / "stdout.txt")).size() == 1000);
  CHECK(many < few + (int64_t{6} << 20));
}

}  // namespace ember
