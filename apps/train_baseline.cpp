#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "apps/options.h"
#include "apps/program.h"
#include "apps/study.h"
#include "apps/weights.h"
#include "tensor/error.h"

namespace ember {
namespace {

void train(TrainingOptions options) {
  if (!options.resume.empty()) options = options_to_resume(options, "train_baseline");
  const Device device = use_machine(options.device, options.threads);
  use_conv(options.conv, options.device);
  std::optional<ModelFile> weights;
  if (!options.weights.empty()) {
    weights = read_initial_weights(options.weights, "baseline_cnn");
    adopt(weights->description, options);
    if (weights->description.image_size != options.image_size) {
      fail(ExitCode::usage, "--image-size {}: {} was trained at {}, and this model knows one size",
           options.image_size, options.weights.string(), weights->description.image_size);
    }
  }
  if (options.scale.empty()) options.scale = "unit";
  const StudyData data = load_study_data(options);

  const ModelDescription description{.architecture = "baseline_cnn",
                                     .classes = data.dataset().classes,
                                     .image_size = options.image_size};
  Study study("train_baseline", options, data, description);
  while (study.begin_fold()) {
    Model model = build_model(description);
    model.initialize(static_cast<uint64_t>(options.seed));
    if (weights) load_weights(model, *weights);
    model.to(device);

    study.print_summary(model);
    study.fit(model, "baseline", options.epochs, options.lr);
    study.test(model);
  }
  study.finish();
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  CLI::App app("Trains a small convolutional network on photos, from random weights.",
               "train_baseline");
  ember::TrainingOptions options;
  options.command = ember::command_line(argc, argv);
  ember::add_baseline_options(app, options);
  return ember::run_program(app, argc, argv, [&] { ember::train(options); });
}
