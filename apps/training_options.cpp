#include "apps/training_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <functional>
#include <limits>
#include <type_traits>
#include <utility>

#include "apps/machine.h"
#include "apps/model_options.h"
#include "apps/option_group.h"
#include "apps/protocol.h"
#include "data/classes.h"
#include "tensor/error.h"

namespace ember {
namespace {

constexpr int64_t kMany = 1'000'000;
// Of numpy's RandomState, whose oversampling a run follows.
constexpr int64_t kLargestSeed = std::numeric_limits<uint32_t>::max();

/// What the two programs say differently about the options they share.
struct Wording {
  std::string weights;
  std::string weights_default;
  std::string scale_default;
  int64_t side_factor;  ///< of --image-size
  int64_t smallest_side;
};

void add_classes(CLI::App& app, std::vector<std::string>& classes) {
  app.add_option_function<std::string>(
         "--classes",
         [&classes](const std::string& text) {
           classes.clear();
           for (const std::string& name : CLI::detail::split(text, ',')) {
             classes.push_back(CLI::detail::trim_copy(name));
           }
           check_classes(classes);
         },
         "Names of the classes, in the order of the model's outputs (default: those of "
         "trained weights, else of the data as they appear)")
      ->type_name("A,B,...")
      ->group("Data");
}

void add_training_options(CLI::App& app, TrainingOptions& options, const Wording& wording) {
  OptionGroup data(app, "Data");
  data.add_path("--data-dir", "DIR", options.data_dir,
                "Photos: annotations/ and images/ (PASCAL VOC), or one folder a class")
      ->default_str("drawn faces");
  data.add_number("--drawn-photos", "N", options.drawn_photos, whole_number(10, kMany),
                  "How many photos to draw where no --data-dir is given");
  add_classes(app, options.classes);
  data.add_choice("--protocol", options.protocol, protocol_names(),
                  "notebook: whole photos, balanced by copies before they are split, as the study "
                  "did it; photos: the same, but split first, photos that look alike on one side; "
                  "faces: split like that, and a crop for each face");
  data.add_number(
          "--folds", "K", options.folds, whole_number(2, 100),
          "Cross-validate: train K times, each time on all but a K-th of the rows, and test "
          "on that (not for notebook)")
      ->default_str("none");
  data.add_path("--split", "FILE", options.split, "A split.json of another run (not for notebook)")
      ->default_str("split anew")
      ->excludes("--folds");
  data.add_number("--margin", "PERCENT", options.margin, face_margin(),
                  "What a crop shows around a face, of its longer side (faces only)")
      ->default_str(fmt::format("{}, or what the weights say", kDefaultMargin));
  data.add_number(
      "--image-size", "PIXELS", options.image_size,
      whole_number(wording.smallest_side, kLargestSide, wording.side_factor),
      wording.side_factor == 1
          ? "Side to which photos are resized"
          : fmt::format("Side to which photos are resized, a multiple of {}", wording.side_factor));

  OptionGroup model(app, "Model");
  model.add_path("--weights", "FILE", options.weights, wording.weights)
      ->default_str(wording.weights_default);
  model
      .add_choice("--scale", options.scale, {"unit", "symmetric", "imagenet"},
                  "Range of the input: unit is [0, 1], symmetric [-1, 1], imagenet (x - mean) / "
                  "deviation of ImageNet's colours")
      ->default_str(wording.scale_default);

  OptionGroup training(app, "Training");
  training.add_number("--epochs", "N", options.epochs, whole_number(1, kMany),
                      "Epochs of training, at most");
  training.add_number("--batch-size", "N", options.batch_size, whole_number(1, 4096),
                      "Photos a step");
  training.add_number("--lr", "RATE", options.lr, positive_number(), "Learning rate of Adam");
  training.add_number("--patience", "EPOCHS", options.patience, whole_number(0, kMany),
                      "Stop after so many epochs without a better validation loss and go back to "
                      "the best weights; 0: train all epochs and keep the last weights");
  training.add_number("--seed", "N", options.seed, whole_number(0, kLargestSeed),
                      "Seed of everything random; equal seeds give equal results");
}

/// The default of an option under the protocol `faces`.
struct FacesDefault {
  std::string option;
  std::function<void(TrainingOptions&)> set;
};

/// A run that goes on has its options already.
void refuse_beside_resume(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (option->count() == 0 || name == "--resume" || name == "--threads" || name == "--progress") {
      continue;
    }
    throw CLI::ValidationError(name, "cannot be changed by --resume; leave it out");
  }
}

/// Lets the protocol have its say when all arguments are known.
void settle_protocol(CLI::App& app, TrainingOptions& options, std::vector<FacesDefault> defaults) {
  app.parse_complete_callback([&app, &options, defaults = std::move(defaults)] {
    if (!options.resume.empty()) return refuse_beside_resume(app);
    // A fold has no validation by which to stop early.
    if (options.folds > 1 && app.count("--patience") == 0) options.patience = 0;
    if (options.protocol == "faces") {
      for (const auto& [option, set] : defaults) {
        if (app.count(option) == 0) set(options);
      }
      return;
    }
    if (app.count("--margin") > 0) {
      throw CLI::ValidationError("--margin", "belongs to --protocol faces; give that too");
    }
    if (options.protocol != "notebook") return;
    for (const char* option : {"--folds", "--split"}) {
      if (app.count(option) == 0) continue;
      throw CLI::ValidationError(option,
                                 "belongs to --protocol faces or photos; give one of these too");
    }
  });
}

void add_run_options(CLI::App& app, TrainingOptions& options) {
  add_machine_options(app, options.device, options.threads);
  add_conv_option(app, options.conv);
  OptionGroup output(app, "Output");
  output.add_path("--output-dir", "DIR", options.output_dir, "New folder for the results")
      ->default_str(fmt::format("runs/{}-1, -2, ...", app.get_name()));
  output.add_path("--resume", "DIR", options.resume,
                  "Go on with an interrupted run; it keeps its options");
  output.add_choice("--progress", options.progress, {"auto", "bar", "line", "none"},
                    "A moving bar, a line an epoch, or nothing; auto is the bar on a terminal and "
                    "lines elsewhere");
}

void add_whole_training_options(CLI::App& app, TrainingOptions& options) {
  options.patience = 0;
  add_training_options(app, options,
                       {.weights = "Trained weights to go on from, such as best.safetensors",
                        .weights_default = "random",
                        .scale_default = "unit, or what the weights say",
                        .side_factor = 1,
                        .smallest_side = 16});
  add_run_options(app, options);
  app.get_option("--epochs")->default_str("10, for faces 20");
  settle_protocol(app, options, {{"--epochs", [](TrainingOptions& faces) { faces.epochs = 20; }}});
}

}  // namespace

void add_baseline_options(CLI::App& app, TrainingOptions& options) {
  options.model = "baseline_cnn";
  add_whole_training_options(app, options);
}

void add_network_options(CLI::App& app, TrainingOptions& options) {
  add_model_options(app, options.model, options.width);
  app.get_option("--model")->default_str("");
  app.get_option("--width")->default_str("that of the weights, or 1");
  add_whole_training_options(app, options);
}

void add_mobilenet_options(CLI::App& app, TrainingOptions& options) {
  options.model = "mobilenet_v2";
  options.weights = "weights/mobilenet_v2.safetensors";
  options.patience = 5;
  add_training_options(app, options,
                       {.weights = "Pretrained weights, or trained ones to go on from",
                        .weights_default = options.weights.string(),
                        .scale_default = "what the weights say; the notebook took unit",
                        .side_factor = 32,
                        .smallest_side = 32});
  OptionGroup finetuning(app, "Fine-tuning");
  finetuning.add_flag("--finetune", options.finetune,
                      "After the stage with the base frozen, train all layers");
  finetuning.add_number("--finetune-epochs", "N", options.finetune_epochs, whole_number(1, kMany),
                        "Epochs of fine-tuning, at most");
  finetuning.add_number("--finetune-lr", "RATE", options.finetune_lr, positive_number(),
                        "Learning rate of fine-tuning");
  finetuning
      .add("--train-from", "LAYER", options.train_from,
           "First layer that fine-tuning trains; those before it, which see edges and textures, "
           "stay as they are")
      ->default_str("all layers, for faces block_3_expand");
  add_run_options(app, options);
  app.get_option("--epochs")->default_str("10, for faces 2");
  app.get_option("--patience")->default_str("5, for faces and folds 0");
  app.get_option("--finetune-epochs")->default_str("5, for faces 18");
  app.get_option("--finetune-lr")->default_str("0.0001, for faces 0.0002");
  settle_protocol(
      app, options,
      {{"--epochs", [](TrainingOptions& faces) { faces.epochs = 2; }},
       {"--patience", [](TrainingOptions& faces) { faces.patience = 0; }},
       {"--finetune-epochs", [](TrainingOptions& faces) { faces.finetune_epochs = 18; }},
       {"--finetune-lr", [](TrainingOptions& faces) { faces.finetune_lr = 2e-4; }},
       {"--train-from", [](TrainingOptions& faces) { faces.train_from = "block_3_expand"; }}});
}

namespace {

/// Calls `visit(name, field)` for what args.json holds.
template <typename Options, typename Visit>
void for_each_field(Options& options, const Visit& visit) {
  visit("command", options.command);
  visit("data_dir", options.data_dir);
  visit("drawn_photos", options.drawn_photos);
  visit("classes", options.classes);
  visit("protocol", options.protocol);
  visit("folds", options.folds);
  visit("split", options.split);
  visit("margin", options.margin);
  visit("image_size", options.image_size);
  visit("model", options.model);
  visit("width", options.width);
  visit("weights", options.weights);
  visit("scale", options.scale);
  visit("epochs", options.epochs);
  visit("batch_size", options.batch_size);
  visit("lr", options.lr);
  visit("patience", options.patience);
  visit("seed", options.seed);
  visit("finetune", options.finetune);
  visit("finetune_epochs", options.finetune_epochs);
  visit("finetune_lr", options.finetune_lr);
  visit("train_from", options.train_from);
  visit("device", options.device);
  visit("conv", options.conv);
  visit("threads", options.threads);
  visit("output_dir", options.output_dir);
  visit("progress", options.progress);
}

}  // namespace

nlohmann::ordered_json to_json(const TrainingOptions& options) {
  nlohmann::ordered_json json;
  for_each_field(options, [&](const char* name, const auto& field) {
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, std::filesystem::path>) {
      json[name] = field.empty() ? "" : std::filesystem::absolute(field).string();
    } else {
      json[name] = field;
    }
  });
  return json;
}

TrainingOptions options_to_resume(const TrainingOptions& options, const std::string& app) {
  const std::filesystem::path path = options.resume / "args.json";
  std::ifstream stream(path);
  if (!stream) {
    fail(ExitCode::no_input, "--resume {}: holds no args.json; give the folder of a run",
         options.resume.string());
  }
  TrainingOptions resumed;
  try {
    const auto json = nlohmann::json::parse(stream);
    if (json.at("app") != app) {
      fail(ExitCode::data, "{}: is of {}; go on with that", path.string(),
           json.at("app").get<std::string>());
    }
    for_each_field(resumed, [&](const char* name, auto& field) {
      if constexpr (std::is_same_v<std::decay_t<decltype(field)>, std::filesystem::path>) {
        field = json.at(name).get<std::string>();
      } else {
        json.at(name).get_to(field);
      }
    });
  } catch (const nlohmann::json::exception&) {
    fail(ExitCode::data, "{}: is not as a run writes it; start a new run", path.string());
  }
  resumed.resume = options.resume;
  resumed.output_dir = options.resume;
  resumed.threads = options.threads;
  resumed.progress = options.progress;
  return resumed;
}

}  // namespace ember
