#include "nn/architectures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "nn/baseline_cnn.h"
#include "nn/mobilenet_v2.h"
#include "nn/resnet10.h"
#include "tensor/error.h"

namespace ember {
namespace {

int64_t class_count(const ModelDescription& description) {
  return static_cast<int64_t>(description.classes.size());
}

Model build_baseline_cnn(const ModelDescription& description) {
  return baseline_cnn(description.image_size, class_count(description));
}

Model build_resnet10(const ModelDescription& description) {
  return resnet10(
      {.image_size = description.image_size, .width_multiplier = description.width_multiplier},
      class_count(description));
}

Model build_mobilenet_v2(const ModelDescription& description) {
  const MobileNetV2Options options{.image_size = description.image_size,
                                   .width_multiplier = description.width_multiplier,
                                   .padding = description.padding,
                                   .epsilon = description.batch_norm_epsilon};
  const int64_t classes = class_count(description);
  return classes == 0 ? mobilenet_v2_base(options) : mobilenet_v2(options, classes);
}

constexpr std::array<Architecture, 3> kArchitectures{{
    {.name = "baseline_cnn",
     .about = "the study's two convolutions and a wide dense layer",
     .smallest_side = 16,
     .side_factor = 1,
     .any_side = false,
     .has_width = false,
     .has_base = false,
     .build = build_baseline_cnn},
    {.name = "resnet10",
     .about = "four small residual blocks",
     .smallest_side = 16,
     .side_factor = 1,
     .any_side = true,
     .has_width = true,
     .has_base = false,
     .build = build_resnet10},
    {.name = "mobilenet_v2",
     .about = "17 inverted residual blocks, and the study's head",
     .smallest_side = 32,
     .side_factor = 32,
     .any_side = true,
     .has_width = true,
     .has_base = true,
     .build = build_mobilenet_v2},
}};

}  // namespace

std::string Architecture::sides() const {
  return side_factor == 1 ? fmt::format("{} pixels or more", smallest_side)
                          : fmt::format("multiples of {} pixels", side_factor);
}

std::span<const Architecture> architectures() { return kArchitectures; }

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  names.reserve(kArchitectures.size());
  for (const Architecture& known : kArchitectures) names.emplace_back(known.name);
  return names;
}

const Architecture& architecture(std::string_view name) {
  const auto* found = std::find_if(kArchitectures.begin(), kArchitectures.end(),
                                   [&](const Architecture& known) { return known.name == name; });
  if (found == kArchitectures.end()) {
    fail(ExitCode::usage, "there is no model {}; known are {}", name,
         fmt::join(architecture_names(), ", "));
  }
  return *found;
}

Model build_model(const ModelDescription& description) {
  return architecture(description.architecture).build(description);
}

}  // namespace ember
