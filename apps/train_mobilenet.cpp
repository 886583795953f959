#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "apps/machine.h"
#include "apps/program.h"
#include "apps/study.h"
#include "apps/training_options.h"
#include "apps/weights.h"
#include "nn/mobilenet_v2.h"
#include "tensor/error.h"

namespace ember {
namespace {

/// The layer that --train-from names, a part of the base.
Value layer_to_train_from(Model model, const std::string& name) {
  if (name.empty()) return 0;
  for (Value value = 0; value <= base_end(model); ++value) {
    if (model.layer(value).name() == name) return value;
  }
  fail(
      ExitCode::usage,
      "--train-from {}: MobileNetV2 has no such layer; the layer table that a run prints has their "
      "names",
      name);
}

void train(TrainingOptions options) {
  if (!options.resume.empty()) options = options_to_resume(options, "train_mobilenet");
  const Device device = use_machine(options.device, options.threads);
  use_conv(options.conv, options.device);
  const ModelFile weights = read_initial_weights(options.weights, options.model);
  adopt(weights.description, options);
  options.width = weights.description.width_multiplier;
  const StudyData data = load_study_data(options);

  ModelDescription description = weights.description;
  description.classes = data.dataset().classes;
  description.image_size = options.image_size;
  const bool keeps_statistics = rules_of(parse_protocol(options.protocol)).keeps_statistics;
  const Value first_trained = layer_to_train_from(build_model(description), options.train_from);
  Study study("train_mobilenet", options, data, description, weights.tensors);
  while (study.begin_fold()) {
    Model model = build_model(description);
    const Value base = base_end(model);
    model.initialize(static_cast<uint64_t>(options.seed));
    load_weights(model, weights, weights.description.classes.empty() ? base : model.last());
    model.to(device);

    model.set_trainable(0, base, false);
    study.print_summary(model);
    study.fit(model, "frozen", options.epochs, options.lr);
    if (options.finetune) {
      model.set_trainable(first_trained, base, true);
      model.use_moving_statistics(keeps_statistics);
      study.fit(model, "finetune", options.finetune_epochs, options.finetune_lr);
    }
    study.test(model);
  }
  study.finish();
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  CLI::App app(
      "Trains a classifier of photos on the features of a pretrained MobileNetV2: first with the "
      "base frozen,\nthen, with --finetune, all of it.",
      "train_mobilenet");
  ember::TrainingOptions options;
  options.command = ember::command_line(argc, argv);
  ember::add_mobilenet_options(app, options);
  return ember::run_program(app, argc, argv, [&] { ember::train(options); });
}
