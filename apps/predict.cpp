#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <system_error>

#include "apps/machine.h"
#include "apps/model_options.h"
#include "apps/option_group.h"
#include "apps/predict/annotated_photos.h"
#include "apps/predict/output.h"
#include "apps/predict/photo_names.h"
#include "apps/predict/prediction.h"
#include "apps/program.h"
#include "apps/weights.h"
#include "data/annotations.h"
#include "data/image.h"
#include "data/scaling.h"
#include "kernels/global_average_pool.h"
#include "nn/metrics.h"
#include "nn/model_file.h"
#include "tensor/error.h"
#include "tensor/interrupt.h"

namespace ember {
namespace {

constexpr int64_t kBatch = 32;  // photos that are read together, and faces a forward pass

struct PredictOptions {
  std::filesystem::path weights;
  std::vector<std::filesystem::path> photos;  ///< and folders, and "-"
  std::filesystem::path annotations;          ///< empty: whole photos
  double margin = -1;                         ///< negative: that of the weights
  bool json = false;
  bool csv = false;
  std::filesystem::path annotate;
  std::filesystem::path features;
  std::filesystem::path feature_map;
  int64_t image_size = 0;  ///< 0: that of the weights
  std::string device = "auto";
  std::string conv = "auto";
  int threads = 0;
};

/// A photo as a batch of one.
Tensor read_input(const std::filesystem::path& path, const Viewing& viewing, Scale scale) {
  const ByteTensor seen = network_input(read_image(path), {}, viewing);
  Tensor input(seen.shape());
  scale_pixels(seen, scale, input);
  return input.reshape({1, viewing.side, viewing.side, 3});
}

/// What a run has come to.
struct Tally {
  int64_t photos = 0;
  int64_t predictions = 0;
  ConfusionMatrix confusion;  ///< of the faces whose true class the model knows
  int64_t unreadable = 0;
  std::vector<std::string> first_unreadable{};
};

/// How the model was shown its photos, and where their faces are.
Viewing viewing_of(const PredictOptions& options, const ModelFile& file) {
  Viewing viewing{.side = file.description.image_size,
                  .classes = file.description.classes,
                  .margin = file.description.margin,
                  .annotations = options.annotations};
  if (options.annotations.empty()) return viewing;
  std::error_code ignored;
  if (!std::filesystem::is_directory(options.annotations, ignored)) {
    fail(ExitCode::no_input, "--annotations {}: no such folder", options.annotations.string());
  }
  if (options.margin >= 0) {
    if (viewing.margin.value_or(options.margin) != options.margin) {
      warn(fmt::format("--margin {}: the weights were trained with {}", options.margin,
                       *viewing.margin));
    }
    viewing.margin = options.margin;
  }
  if (!viewing.margin) {
    fail(ExitCode::usage,
         "{}: was trained on whole photos and knows no margin around faces; give --margin PERCENT",
         file.path.string());
  }
  return viewing;
}

/// Prints what there is to say of a photo.
void print(const Photo& photo, const OutputFormat& format, const OutputColumns& columns,
           Tally& tally) {
  constexpr size_t kMostNames = 5;
  ++tally.photos;
  for (const std::string& warning : photo.warnings) report_on_stderr(warning);
  if (!photo.problem.empty()) {
    report_on_stderr(photo.problem);
    ++tally.unreadable;
    if (tally.first_unreadable.size() < kMostNames) {
      tally.first_unreadable.push_back(photo.path.string());
    }
  }
  for (const Prediction& prediction : photo.predictions) {
    fmt::print("{}", format.entry(photo.path, prediction, columns, tally.predictions == 0));
    ++tally.predictions;
    if (prediction.truth) tally.confusion.add(*prediction.truth, prediction.predicted());
  }
}

// Folders and names have been found good where they were read.
[[noreturn]] void fail_without_photos() {
  fail(ExitCode::no_input, "standard input names no photo; give one a line");
}

/// Throws where photos were missing.
void complain(const Tally& tally) {
  if (tally.photos == 0) fail_without_photos();
  if (tally.unreadable == 0) return;
  const int64_t others = tally.unreadable - static_cast<int64_t>(tally.first_unreadable.size());
  fail(ExitCode::no_input, "{} of {} photos could not be read: {}{}", tally.unreadable,
       tally.photos, fmt::join(tally.first_unreadable, ", "),
       others == 0 ? "" : fmt::format(" and {} more", others));
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
  const Viewing viewing = viewing_of(options, file);
  const OutputColumns columns{description.classes, !viewing.annotations.empty()};
  const OutputFormat& format = options.json ? kJsonOutput : options.csv ? kCsvOutput : kTextOutput;
  Model model = load_model(file);
  model.to(device);
  std::optional<AnnotatedPhotos> annotated;
  if (!options.annotate.empty()) annotated.emplace(options.annotate, description.classes);

  Tally tally{.confusion = ConfusionMatrix(description.classes.size())};
  Tensor images({kBatch, viewing.side, viewing.side, 3});
  PhotoNames names(options.photos);
  fmt::print("{}", format.begin(columns));
  for (auto batch = names.next(kBatch); !batch.empty(); batch = names.next(kBatch)) {
    std::vector<Photo> photos = view_photos(batch, viewing);
    classify(model, parse_scale(description.scale), images, photos);
    for (const Photo& photo : photos) print(photo, format, columns, tally);
    flush_output();
    if (annotated) annotated->write(photos);
  }
  fmt::print("{}", format.end);
  if (columns.boxes) {
    fmt::print(options.json || options.csv ? stderr : stdout, "{}",
               summary(tally.predictions, tally.confusion));
  }
  complain(tally);
}

/// Features have a row a photo, so each must be there.
std::vector<std::filesystem::path> all_photos(const std::vector<std::filesystem::path>& arguments) {
  PhotoNames names(arguments);
  std::vector<std::filesystem::path> photos;
  for (auto batch = names.next(kBatch); !batch.empty(); batch = names.next(kBatch)) {
    for (const auto& [path, problem] : batch) {
      if (!problem.empty()) fail(ExitCode::no_input, "{}", problem);
      photos.push_back(path);
    }
  }
  return photos;
}

void write_features(const PredictOptions& options, ModelFile file, Device device) {
  ModelDescription& description = file.description;
  if (description.architecture != "mobilenet_v2") {
    fail(ExitCode::data, "{}: holds weights of {}, and features are MobileNetV2's",
         file.path.string(), description.architecture);
  }
  std::erase_if(file.tensors, [](const auto& item) { return item.first.starts_with("dense"); });
  description.classes.clear();
  if (options.image_size != 0) description.image_size = options.image_size;
  Model base = load_model(file);
  base.to(device);

  const std::vector<std::filesystem::path> photos = all_photos(options.photos);
  if (photos.empty()) fail_without_photos();
  const auto count = static_cast<int64_t>(photos.size());
  const Viewing viewing{
      .side = description.image_size, .classes = {}, .margin = description.margin};
  const Shape map = base.output_shape(base.last());
  Tensor features({count, map[3]});
  Tensor maps;  // of all photos, where they are asked for: some 50 times as large as the features
  if (!options.feature_map.empty()) maps = Tensor({count, map[1], map[2], map[3]});
  for (int64_t i = 0; i < count; ++i) {
    check_interrupt();
    const Tensor input =
        read_input(photos[static_cast<size_t>(i)], viewing, parse_scale(description.scale));
    const Tensor own_map = base.forward(input.on(device), {}).on(Device::cpu);
    Tensor own_features = features.rows(i, i + 1);
    global_average_pool_forward(own_map, {}, own_features);
    if (!options.feature_map.empty()) maps.rows(i, i + 1).copy_from(own_map);
  }
  if (!options.feature_map.empty()) {
    write_safetensors(options.feature_map, {.metadata = {}, .tensors = {{"feature_map", maps}}});
  }
  if (!options.features.empty()) {
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
  ember::OptionGroup group(app);
  group
      .add_path("PHOTO", "", options.photos,
                "Photos (JPEG, PNG or BMP), folders of them, or - for names from standard input, "
                "one a line")
      ->required();
  ember::add_weights_option(app, options.weights);
  CLI::Option* annotations =
      group.add_path("--annotations", "DIR", options.annotations,
                     "Folder with the faces of each photo, <name of the photo>.xml (PASCAL VOC): a "
                     "prediction a face, beside its true class");
  group
      .add_number("--margin", "PERCENT", options.margin, ember::face_margin(),
                  "What is shown around a face, of its longer side")
      ->default_str("that of the weights")
      ->needs(annotations);
  CLI::Option* json = group.add_flag("--json", options.json, "Print a JSON list");
  CLI::Option* csv = group.add_flag("--csv", options.csv, "Print a CSV table")->excludes(json);
  CLI::Option* annotate =
      group.add_path("--annotate", "DIR", options.annotate,
                     "New folder for copies of the photos, with the predictions drawn on them");
  const auto add_features = [&](const std::string& name, std::filesystem::path& path,
                                const std::string& description) {
    CLI::Option* option = group.add_path(name, "FILE", path, description);
    for (CLI::Option* other : {annotations, json, csv, annotate}) option->excludes(other);
  };
  add_features("--features", options.features,
               "Write the pooled features here, tensor `features` (images, 1280)");
  add_features("--feature-map", options.feature_map,
               "Write the last feature maps here, tensor `feature_map` (images, S/32, S/32, 1280)");
  group
      .add_number("--image-size", "PIXELS", options.image_size,
                  ember::whole_number(32, ember::kLargestSide, 32),
                  "Side to which photos are resized for features, a multiple of 32")
      ->default_str("that of the weights");
  ember::add_machine_options(app, options.device, options.threads);
  ember::add_conv_option(app, options.conv);
  return ember::run_program(app, argc, argv, [&] { ember::predict(options); });
}
