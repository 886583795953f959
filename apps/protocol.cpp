#include "apps/protocol.h"

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

Protocol parse_protocol(const std::string& name) {
  if (name == "notebook") return Protocol::notebook;
  if (name == "faces") return Protocol::faces;
  fail(ExitCode::usage, "--protocol {}: give notebook or faces", name);
}

const TrainingRules& rules_of(Protocol protocol) {
  return protocol == Protocol::faces ? kFaces : kNotebook;
}

}  // namespace ember
