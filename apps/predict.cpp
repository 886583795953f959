#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/options.h"
#include "apps/program.h"
#include "apps/weights.h"
#include "data/annotations.h"
#include "data/image.h"
#include "data/resize.h"
#include "data/scaling.h"
#include "kernels/global_average_pool.h"
#include "nn/model_file.h"
#include "tensor/error.h"
#include "tensor/interrupt.h"

namespace ember {
namespace {

using Json = nlohmann::ordered_json;

struct PredictOptions {
  std::filesystem::path weights;
  std::vector<std::filesystem::path> images;
  bool json = false;
  std::filesystem::path features;
  std::filesystem::path feature_map;
  int64_t image_size = 0;  ///< 0: that of the weights
  std::string device = "auto";
  std::string conv = "auto";
  int threads = 0;
};

/// A photo as a batch of one.
Tensor read_input(const std::filesystem::path& path, int64_t side, Scale scale) {
  ByteTensor resized({side, side, 3});
  resize_bilinear(read_image(path), resized);
  Tensor input({side, side, 3});
  scale_pixels(resized, scale, input);
  return input.reshape({1, side, side, 3});
}

std::vector<double> softmax(const Tensor& logits) {
  const auto values = logits.values();
  const double largest = *std::max_element(values.begin(), values.end());
  std::vector<double> probabilities;
  double sum = 0;
  for (float value : values) {
    probabilities.push_back(std::exp(value - largest));
    sum += probabilities.back();
  }
  for (double& probability : probabilities) probability /= sum;
  return probabilities;
}

void check_image_size(int64_t side, const ModelFile& file) {
  if (!takes_side(file.description.architecture, side)) {
    fail(ExitCode::data, "{}: its image_size {} does not fit {}; give --features an --image-size",
         file.path.string(), side, file.description.architecture);
  }
}

Json prediction_of(const std::filesystem::path& path, const std::vector<double>& probabilities,
                   const ModelDescription& description) {
  const auto best = static_cast<size_t>(
      std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin());
  Json of_classes = Json::object();
  for (size_t k = 0; k < probabilities.size(); ++k) {
    of_classes[description.classes[k]] = probabilities[k];
  }
  return {
      {"file", path.string()}, {"class", description.classes[best]}, {"probabilities", of_classes}};
}

void print(const Json& prediction) {
  fmt::print("{}: {}", prediction["file"].get<std::string>(),
             prediction["class"].get<std::string>());
  const char* separator = "  (";
  for (const auto& item : prediction["probabilities"].items()) {
    fmt::print("{}{} {:.4f}", separator, item.key(), item.value().get<double>());
    separator = ", ";
  }
  fmt::print(")\n");
}

void predict_classes(const PredictOptions& options, const ModelFile& file, Device device) {
  const ModelDescription& description = file.description;
  if (description.classes.empty()) {
    fail(ExitCode::data,
         "{}: has no classes, since it is not trained; give a best.safetensors, or --features",
         file.path.string());
  }
  if (options.image_size != 0 && options.image_size != description.image_size) {
    fail(ExitCode::usage, "--image-size {}: {} was trained at {}; leave --image-size out",
         options.image_size, file.path.string(), description.image_size);
  }
  check_image_size(description.image_size, file);
  Model model = build_model(description);
  load_weights(model, file);
  model.to(device);

  const Scale scale = parse_scale(description.scale);
  Json predictions = Json::array();
  std::vector<std::string> unreadable;
  for (const auto& path : options.images) {
    check_interrupt();
    Tensor input;
    try {
      input = read_input(path, description.image_size, scale);
    } catch (const Error& error) {
      report_on_stderr(error.what());
      unreadable.push_back(path.string());
      continue;
    }
    predictions.push_back(prediction_of(
        path, softmax(model.forward(input.on(device), {}).on(Device::cpu)), description));
    if (!options.json) print(predictions.back());
  }
  if (options.json) {
    fmt::print("{}\n", predictions.dump(2, ' ', false, Json::error_handler_t::replace));
  }
  if (!unreadable.empty()) {
    fail(ExitCode::no_input, "{} of {} photos could not be read: {}", unreadable.size(),
         options.images.size(), fmt::join(unreadable, ", "));
  }
}

void write_features(const PredictOptions& options, ModelFile file, Device device) {
  ModelDescription description = file.description;
  if (description.architecture != "mobilenet_v2") {
    fail(ExitCode::data, "{}: holds weights of {}, and features are MobileNetV2's",
         file.path.string(), description.architecture);
  }
  std::erase_if(file.tensors, [](const auto& item) { return item.first.starts_with("dense"); });
  description.classes.clear();
  if (options.image_size != 0) description.image_size = options.image_size;
  check_image_size(description.image_size, file);
  Model base = build_model(description);
  load_weights(base, file);
  base.to(device);

  const auto count = static_cast<int64_t>(options.images.size());
  const Shape map = base.output_shape(base.last());
  Tensor maps({count, map[1], map[2], map[3]});
  for (int64_t i = 0; i < count; ++i) {
    check_interrupt();
    const Tensor input = read_input(options.images[static_cast<size_t>(i)], description.image_size,
                                    parse_scale(description.scale));
    Tensor row = maps.rows(i, i + 1);
    row.copy_from(base.forward(input.on(device), {}));
  }
  if (!options.feature_map.empty()) {
    write_safetensors(options.feature_map, {.metadata = {}, .tensors = {{"feature_map", maps}}});
  }
  if (!options.features.empty()) {
    Tensor features({count, map[3]});
    global_average_pool_forward(maps, {}, features);
    write_safetensors(options.features, {.metadata = {}, .tensors = {{"features", features}}});
  }
}

void predict(PredictOptions options) {
  if (!options.features.empty() && options.features == options.feature_map) {
    fail(ExitCode::usage, "--features and --feature-map are both {}; give them two names",
         options.features.string());
  }
  const Device device = use_machine(options.device, options.threads);
  use_conv(options.conv, options.device);
  const ModelFile file = read_weights(options.weights);
  if (options.features.empty() && options.feature_map.empty()) {
    predict_classes(options, file, device);
  } else {
    write_features(options, file, device);
  }
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  CLI::App app("Says what a trained network sees in photos, or writes MobileNetV2's features.",
               "predict");
  ember::PredictOptions options;
  app.add_option("IMAGE", options.images, "Photos: JPEG, PNG or BMP")
      ->type_name("")
      ->required()
      ->check(ember::not_empty());
  app.add_option("--weights", options.weights, "Weights file, such as best.safetensors")
      ->required()
      ->type_name("FILE")
      ->check(ember::not_empty());
  CLI::Option* json = app.add_flag("--json", options.json, "Print a JSON list");
  app.add_option("--features", options.features,
                 "Write the pooled features here, tensor `features` (images, 1280)")
      ->type_name("FILE")
      ->check(ember::not_empty())
      ->excludes(json);
  app.add_option(
         "--feature-map", options.feature_map,
         "Write the last feature maps here, tensor `feature_map` (images, S/32, S/32, 1280)")
      ->type_name("FILE")
      ->check(ember::not_empty())
      ->excludes(json);
  app.add_option("--image-size", options.image_size,
                 "Side to which photos are resized for features, a multiple of 32")
      ->type_name("PIXELS")
      ->check(ember::whole_number(32, 4096, 32))
      ->default_str("that of the weights");
  ember::add_machine_options(app, options.device, options.threads);
  ember::add_conv_option(app, options.conv);
  return ember::run_program(app, argc, argv, [&] { ember::predict(options); });
}
