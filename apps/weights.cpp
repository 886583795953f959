#include "apps/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <system_error>
#include <vector>

#include "apps/program.h"
#include "data/classes.h"
#include "tensor/error.h"

namespace ember {

ModelFile read_weights(const std::filesystem::path& path) {
  ModelFile file = read_model_file(path);
  const std::vector<std::string>& classes = file.description.classes;
  if (!classes.empty() && !complaint_about(classes).empty()) {
    fail(ExitCode::data, "{}: {}; train it anew", path.string(), complaint_about(classes));
  }
  std::vector<std::string> broken;
  for (const auto& [name, tensor] : file.tensors) {
    const auto values = tensor.values();
    if (!std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); })) {
      broken.push_back(name);
    }
  }
  if (!broken.empty()) {
    fail(ExitCode::data, "{}: values that are not finite numbers in {}; get the weights anew",
         path.string(), fmt::join(broken, ", "));
  }
  return file;
}

ModelFile read_initial_weights(const std::filesystem::path& path, const std::string& architecture) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    fail(ExitCode::no_input, "{}: no such file; {}", path.string(),
         architecture == "mobilenet_v2"
             ? fmt::format("`weights/fetch {}` gets MobileNetV2's weights", path.string())
             : "leave --weights out for random ones");
  }
  ModelFile file = read_weights(path);
  if (file.description.architecture != architecture) {
    fail(ExitCode::data, "{}: holds weights of {}, and {} are needed", path.string(),
         file.description.architecture, architecture);
  }
  return file;
}

void adopt(const ModelDescription& weights, TrainingOptions& options) {
  if (options.scale.empty()) options.scale = weights.scale;
  if (options.scale != weights.scale) {
    warn(fmt::format("--scale {}: the weights were trained with {}", options.scale, weights.scale));
  }
  if (options.margin < 0) options.margin = weights.margin.value_or(kDefaultMargin);
  if (options.protocol == "faces" && weights.margin && options.margin != *weights.margin) {
    warn(fmt::format("--margin {}: the weights were trained with {}", options.margin,
                     *weights.margin));
  }
  if (weights.classes.empty()) return;
  if (!options.classes.empty() && options.classes != weights.classes) {
    fail(ExitCode::usage, "--classes {}: {} was trained for {}; leave --classes out",
         fmt::join(options.classes, ","), options.weights.string(),
         fmt::join(weights.classes, ","));
  }
  options.classes = weights.classes;
}

}  // namespace ember
