#include "apps/train_network.h"

#include <fmt/format.h>

#include <optional>

#include "apps/machine.h"
#include "apps/model_options.h"
#include "apps/study.h"
#include "apps/weights.h"
#include "nn/mobilenet_v2.h"
#include "tensor/error.h"

namespace ember {
namespace {

// From random weights a run has some thousand steps: too few for the slow statistics that
// MobileNetV2's pretrained weights came with.
constexpr float kMomentum = 0.99f;

void adopt_sizes(const ModelFile& weights, TrainingOptions& options) {
  const ModelDescription& description = weights.description;
  if (!architecture(options.model).any_side && description.image_size != options.image_size) {
    fail(ExitCode::usage, "--image-size {}: {} was trained at {}, and this model knows one size",
         options.image_size, weights.path.string(), description.image_size);
  }
  if (options.width != 0 && options.width != description.width_multiplier) {
    fail(ExitCode::usage, "--width {}: {} has the width {}; leave --width out", options.width,
         weights.path.string(), description.width_multiplier);
  }
  options.width = description.width_multiplier;
}

Model initial_model(const ModelDescription& description, const std::optional<ModelFile>& weights,
                    uint64_t seed) {
  Model model = build_model(description);
  model.initialize(seed);
  if (!weights) {
    model.set_momentum(kMomentum);
  } else {
    load_weights(model, *weights,
                 weights->description.classes.empty() ? base_end(model) : model.last());
  }
  return model;
}

}  // namespace

void train_network(TrainingOptions options, const std::string& app, const std::string& stage) {
  if (!options.resume.empty()) options = options_to_resume(options, app);
  const Device device = use_machine(options.device, options.threads);
  use_conv(options.conv, options.device);
  if (options.model.empty()) {
    fail(ExitCode::usage, "give --model {}", fmt::join(architecture_names(), "|"));
  }
  architecture_for(options.model, options.width, options.image_size);
  if (options.width == 0 && options.weights.empty()) options.width = 1;
  std::optional<ModelFile> weights;
  if (!options.weights.empty()) {
    weights = read_initial_weights(options.weights, options.model);
    adopt(weights->description, options);
    adopt_sizes(*weights, options);
  }
  if (options.scale.empty()) options.scale = "unit";
  if (options.margin < 0) options.margin = kDefaultMargin;
  const StudyData data = load_study_data(options);

  ModelDescription description = weights ? weights->description : ModelDescription{};
  description.architecture = options.model;
  description.width_multiplier = options.width;
  description.classes = data.dataset().classes;
  description.image_size = options.image_size;
  Study study(app, options, data, description, weights ? weights->tensors : Weights{});
  while (study.begin_fold()) {
    Model model = initial_model(description, weights, static_cast<uint64_t>(options.seed));
    model.to(device);
    study.print_summary(model);
    study.fit(model, stage, options.epochs, options.lr);
    study.test(model);
  }
  study.finish();
}

}  // namespace ember
