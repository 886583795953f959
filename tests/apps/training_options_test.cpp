#include "apps/training_options.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "tensor/error.h"

namespace ember {
namespace {

TrainingOptions parse(void (*add_options)(CLI::App&, TrainingOptions&), const std::string& line) {
  CLI::App app("Trains.", "train");
  TrainingOptions options;
  add_options(app, options);
  app.parse(line);
  return options;
}

}  // namespace

TEST_CASE("the defaults are the notebook's") {
  const TrainingOptions baseline = parse(add_baseline_options, "");
  CHECK(baseline.image_size == 128);
  CHECK(baseline.epochs == 10);
  CHECK(baseline.batch_size == 32);
  CHECK(baseline.lr == 1e-3);
  CHECK(baseline.patience == 0);

  const TrainingOptions mobilenet = parse(add_mobilenet_options, "");
  CHECK(mobilenet.weights == "weights/mobilenet_v2.safetensors");
  CHECK(mobilenet.patience == 5);
  CHECK_FALSE(mobilenet.finetune);
  CHECK(mobilenet.finetune_epochs == 5);
  CHECK(mobilenet.finetune_lr == 1e-4);
}

TEST_CASE("the protocol has defaults of its own, which what is asked for overrides") {
  const TrainingOptions faces =
      parse(add_mobilenet_options, "--protocol faces --epochs 3 --margin 0");
  CHECK(faces.epochs == 3);
  CHECK(faces.patience == 0);
  CHECK(parse(add_mobilenet_options, "--protocol photos").patience == 5);
  CHECK(parse(add_mobilenet_options, "--protocol photos --folds 3").patience == 0);
  CHECK(faces.finetune_epochs == 18);
  CHECK(faces.finetune_lr == 2e-4);
  CHECK(faces.train_from == "block_3_expand");
  CHECK(faces.folds == 1);
  CHECK(faces.margin == 0);
  CHECK(parse(add_baseline_options, "--protocol faces").epochs == 20);
}

TEST_CASE("each program trains its own network, and train any") {
  CHECK(parse(add_baseline_options, "").model == "baseline_cnn");
  CHECK(parse(add_mobilenet_options, "").model == "mobilenet_v2");
  const TrainingOptions any = parse(add_network_options, "--model resnet10 --width 0.5");
  CHECK(any.model == "resnet10");
  CHECK(any.width == 0.5);
  CHECK(any.patience == 0);
  CHECK(to_json(any)["model"] == "resnet10");
  CHECK_THROWS_AS(parse(add_network_options, "--model vgg"), CLI::ParseError);
  for (const char* width : {"0", "nan", "5", "1x"}) {
    CAPTURE(width);
    CHECK_THROWS_AS(parse(add_network_options, fmt::format("--model resnet10 --width {}", width)),
                    CLI::ParseError);
  }
}

TEST_CASE("options reach their fields and args.json") {
  const TrainingOptions options =
      parse(add_mobilenet_options,
            "--data-dir photos --classes \"cat,old dog\" --image-size 64 --scale unit --lr 0.01 "
            "--finetune --finetune-lr 1e-5 --seed 4294967295 --threads 2 --progress none");
  CHECK(options.classes == std::vector<std::string>{"cat", "old dog"});
  CHECK(options.finetune);
  const auto json = to_json(options);
  CHECK(json["data_dir"] == std::filesystem::absolute("photos").string());
  CHECK(json["weights"] == std::filesystem::absolute(options.weights).string());
  CHECK(json["split"] == "");
  CHECK(json["classes"][1] == "old dog");
  CHECK(json["image_size"] == 64);
  CHECK(json["scale"] == "unit");
  CHECK(json["lr"] == 0.01);
  CHECK(json["finetune_lr"] == 1e-5);
  CHECK(json["seed"] == 4294967295);
  CHECK(json["threads"] == 2);
  CHECK(json["conv"] == "auto");
}

TEST_CASE("values that make no sense are refused by name") {
  for (const char* line : {"--epochs 0",
                           "--epochs 1.5",
                           "--epochs x",
                           "--epochs 1e3",
                           "--epochs 99999999999999999999",
                           "--batch-size 0",
                           "--batch-size -3",
                           "--lr 0",
                           "--lr -0.1",
                           "--lr nan",
                           "--lr inf",
                           "--lr 1e999",
                           "--seed -1",
                           "--seed 010",
                           "--batch-size 08",
                           "--lr 01",
                           "--seed 4294967296",
                           "--patience -1",
                           "--image-size 0",
                           "--image-size 100",
                           "--image-size 1000000000",
                           "--scale tiny",
                           "--threads 0",
                           "--conv winograd",
                           "--device tpu",
                           "--progress loud",
                           "--finetune-epochs 0",
                           "--finetune-lr nan",
                           "--drawn-photos 0"}) {
    CAPTURE(line);
    const std::string text(line);
    const std::string option = text.substr(0, text.find(' '));
    CHECK_THROWS_WITH_AS(parse(add_mobilenet_options, text), doctest::Contains(option.c_str()),
                         CLI::ParseError);
  }
}

TEST_CASE("class names must be two or more, different and not empty") {
  for (const char* line : {"--classes one", "--classes a,a", "--classes a,,b"}) {
    CAPTURE(line);
    CHECK_THROWS_WITH_AS(parse(add_mobilenet_options, line), doctest::Contains("classes ["), Error);
  }
}

TEST_CASE("the baseline takes any image size, and knows no fine-tuning") {
  CHECK(parse(add_baseline_options, "--image-size 100").image_size == 100);
  CHECK_THROWS_AS(parse(add_baseline_options, "--image-size 8"), CLI::ParseError);
  CHECK_THROWS_AS(parse(add_baseline_options, "--finetune"), CLI::ParseError);
}

}  // namespace ember
