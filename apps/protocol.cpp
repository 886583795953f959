#include "apps/protocol.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace ember {
namespace {

const TrainingRules kNotebook{.augmentation = {},
                              .augments_validation = true,
                              .balance = std::nullopt,
                              .keeps_statistics = false,
                              .has_schedule = false};

const TrainingRules kFaces{.augmentation = {.rotation = 15,
                                            .shift = 0.08,
                                            .shear = 0,
                                            .zoom_lowest = 0.85,
                                            .zoom_highest = 1.15,
                                            .flip_probability = 0.5,
                                            .brightness_lowest = 0.8,
                                            .brightness_highest = 1.2},
                           .augments_validation = false,
                           .balance = 0.4,
                           .keeps_statistics = true,
                           .has_schedule = true};

}  // namespace

const std::vector<std::string>& protocol_names() {
  static const std::vector<std::string> names{"notebook", "photos", "faces"};
  return names;
}

Protocol parse_protocol(const std::string& name) {
  const auto& names = protocol_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    fail(ExitCode::usage, "--protocol {}: give {}", name, fmt::join(names, ", "));
  }
  return static_cast<Protocol>(found - names.begin());
}

std::string about(Protocol protocol) {
  switch (protocol) {
    case Protocol::notebook:
      return "Whole photos, each row by the label of one face. Classes are balanced by copies "
             "before "
             "the rows are split, so that a photo may stand on both sides: numbers that say little "
             "of new photos.";
    case Protocol::photos:
      return "The same whole photos, but split before they are balanced; photos that look alike "
             "stand on one side.";
    case Protocol::faces:
      return "A crop for each face; photos that look alike stand on one side.";
  }
  return "";
}

const TrainingRules& rules_of(Protocol protocol) {
  return protocol == Protocol::faces ? kFaces : kNotebook;
}

}  // namespace ember
