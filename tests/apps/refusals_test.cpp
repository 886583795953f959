// Bad input, as the programs meet it: one line, the exit code, nothing half-written.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <limits>
#include <random>
#include <set>
#include <string>

#include "data/faces.h"
#include "data/image.h"
#include "tensor/cuda/status.h"
#include "tensor/safetensors.h"
#include "tensor/temporary_folder.h"
#include "tests/apps/testing.h"

namespace ember {
namespace {

namespace fs = std::filesystem;

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

}  // namespace

TEST_CASE("folders, files and options that are no good are refused") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 10, 1);
  write_base(folder / "base.safetensors");
  fs::create_directories(folder / "empty");
  write_text(folder / "broken/annotations/a.xml", "<annotation><object>");
  fs::create_directories(folder / "broken/images");

  const auto refused = [&](const std::string& command, int code, const std::string& part) {
    check_refused(folder.path(), command, code, part);
  };
  refused("train_baseline --data-dir nowhere", 66, "nowhere: no such folder");
  refused("train_baseline --data-dir base.safetensors", 66, "base.safetensors: not a folder");
  refused("train_baseline --data-dir empty", 66, "empty");
  refused("train_baseline --data-dir broken", 65, "a.xml");
  refused("train_baseline --data-dir ''", 64, "--data-dir");
  refused("train_baseline --data-dir faces --epochs 0", 64, "--epochs");
  refused("train_baseline --data-dir faces --output-dir ''", 64, "--output-dir");
  refused("train_baseline --epoch 3", 64, "--epoch");
  if (cuda::status().emulated || !cuda::status().usable()) {
    refused("train_baseline --device cuda", 69, "--device cuda: ");
  }
  refused("train_baseline --data-dir faces --folds 3", 64, "--protocol faces");
  refused("train_baseline --data-dir faces --protocol faces --folds 1", 64, "--folds");
  refused("train_baseline --data-dir faces --protocol faces --split no.json", 66, "no.json");
  refused("train_baseline --data-dir faces --protocol faces --split base.safetensors", 65,
          "base.safetensors");
  refused("train_baseline --data-dir faces --protocol faces --folds 3 --split a", 64, "--split");
  refused("train_baseline --data-dir faces --protocol faces --folds 3 --patience 2", 64,
          "--patience");
  refused("train_baseline --data-dir faces --protocol photos --margin 3", 64, "--protocol faces");
  refused("train --data-dir faces", 64, "--model baseline_cnn|resnet10|mobilenet_v2");
  refused("train --data-dir faces --model vgg", 64, "vgg");
  refused("train --data-dir faces --model mobilenet_v2 --image-size 40", 64, "multiples of 32");
  refused("train --data-dir faces --model resnet10 --weights base.safetensors", 65, "mobilenet_v2");
  refused("train --data-dir faces --model mobilenet_v2 --width 0.5 --weights base.safetensors", 64,
          "--width 0.5: base.safetensors has the width 0.35");
  refused("train --data-dir faces --model baseline_cnn --width 0.5", 64, "--width");
  refused("summary", 64, "--weights FILE");
  refused("summary --model baseline_cnn --width 0.5", 64, "--width 0.5: baseline_cnn has no width");
  refused("summary --model resnet10 --image-size 8", 64, "16 pixels or more");
  refused("summary --model resnet10 --classes 0", 64, "--classes 0");
  refused("summary --model resnet10 --weights base.safetensors", 64, "--weights");
  refused("compare_runs faces --output page.html", 66, "faces/args.json");
  refused("train_baseline --device cpu --conv cudnn", 69, "cuDNN");
  refused(kBaseline + "--classes cat,dog", 65, "cat, dog");
  refused(kBaseline + "--output-dir faces", 73, "faces");
  refused(kBaseline + "--output-dir base.safetensors/run", 73, "base.safetensors/run");
  refused("train_mobilenet --data-dir faces", 66, "weights/fetch");
  refused("train_baseline --data-dir faces --weights gone", 66, "leave --weights out");
  refused(kMobilenet + "--finetune --train-from block_99", 64, "block_99");
  refused("train_mobilenet --data-dir faces --weights ''", 64, "--weights");
  refused("train_baseline --data-dir faces --weights base.safetensors", 65, "mobilenet_v2");
  refused("make_faces --count 1 --output-dir ''", 64, "--output-dir");
  refused("make_faces --count 1 --output-dir faces", 73, "faces");
}

TEST_CASE("a baseline knows the one size that it was trained at") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 10, 1);
  write_baseline(folder / "b.safetensors");
  check_refused(folder.path(),
                "train_baseline --data-dir faces --image-size 48 --weights b.safetensors", 64,
                "--image-size 48");
}

TEST_CASE("weights files: each defect is named, and all wrong tensors together") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 10, 1);
  write_base(folder / "base.safetensors");
  const std::string bytes = content(folder / "base.safetensors");
  const TensorFile base = read_safetensors(folder / "base.safetensors");

  const auto refused = [&](const std::string& part) {
    check_refused(folder.path(),
                  "train_mobilenet --image-size 32 --data-dir faces --weights bad.safetensors", 65,
                  part);
  };
  write_text(folder / "bad.safetensors", "this is no weights file");
  refused("not a safetensors file");
  write_text(folder / "bad.safetensors", bytes.substr(0, bytes.size() / 2));
  refused("truncated");

  TensorFile file = base;
  file.tensors.erase("Conv1/kernel");
  file.tensors["bn_Conv1/gamma"] = Tensor::zeros({3});
  file.tensors["other/kernel"] = Tensor::zeros({3});
  write_safetensors(folder / "bad.safetensors", file);
  for (const char* part : {"Conv1/kernel is missing", "bn_Conv1/gamma is (3), not (16)",
                           "other/kernel is unexpected"}) {
    refused(part);
  }

  file = base;
  for (const char* name : {"Conv1/kernel", "Conv_1_bn/beta"}) {
    file.tensors[name] = base.tensors.at(name).clone();
    file.tensors[name].data()[1] = std::numeric_limits<float>::quiet_NaN();
  }
  write_safetensors(folder / "bad.safetensors", file);
  refused("Conv1/kernel, Conv_1_bn/beta");

  file = base;
  file.metadata["classes"] = R"(["cat","cat"])";
  write_safetensors(folder / "bad.safetensors", file);
  refused(R"(bad.safetensors: classes ["cat","cat"])");

  file = base;
  file.metadata["margin"] = "wide";
  write_safetensors(folder / "bad.safetensors", file);
  refused("margin is `wide`");
}

TEST_CASE("a loss that is not a number stops training, says where, and leaves no run folder") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 10, 1);
  const std::string diverging =
      "train_baseline --image-size 32 --data-dir faces --lr 1e30 --output-dir r --batch-size ";
  check_refused(folder.path(), diverging + "16", 65, "step 2 of epoch 1 (baseline)");
  // One step an epoch: only the validation sees what that step has done.
  check_refused(folder.path(), diverging + "4096", 65, "epoch 1 (baseline)");
  CHECK_FALSE(fs::exists(folder / "r"));
  // A fold has no validation.
  check_refused(folder.path(), diverging + "4096 --protocol faces --folds 2 --epochs 1", 65,
                "in the test");
}

TEST_CASE("a class whose photos all fall to one side is refused by name") {
  const TemporaryFolder folder;
  for (int i = 0; i < 8; ++i) {
    std::mt19937 random(static_cast<uint32_t>(i));
    ByteTensor image({8, 8, 3});
    for (uint8_t& value : image.values()) value = static_cast<uint8_t>(random());
    const char* name = i < 7 ? "many" : "one";
    fs::create_directories(folder / "pets" / name);
    write_image(folder / "pets" / name / fmt::format("{}.png", i), image);
  }
  check_refused(folder.path(),
                "train_baseline --image-size 16 --data-dir pets --protocol photos "
                "--folds 4",
                65, "pets: class one has no photo left to train on");
}

TEST_CASE(
    "a run that is ended from outside keeps its whole epochs and a checkpoint, and no report") {
  const TemporaryFolder folder;
  write_face_photos(folder / "faces", 10, 1);
  const std::string line = fmt::format(
      "cd '{}' && {{ '{}'/{} --epochs 1000000 --progress none --output-dir r >stdout.txt 2>&1 & "
      "p=$!; while kill -0 $p && [ ! -e '{}' ]; do sleep 0.02; done; kill -TERM $p; wait $p; }} "
      "2>stderr.txt",
      folder.path().string(), EMBER_PROGRAM_DIR, "train_baseline --image-size 32 --data-dir faces",
      (folder / "r/best.safetensors").string());
  const int status = std::system(line.c_str());
  CHECK(WEXITSTATUS(status) == 128 + SIGTERM);
  auto names = names_in(folder / "r");
  CHECK(std::erase_if(names, [](const auto& name) { return name.starts_with("checkpoint-"); }) > 0);
  CHECK(names == std::set<std::string>{"args.json", "best.safetensors", "results.csv"});
}

}  // namespace ember
