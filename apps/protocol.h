#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/augment.h"

/// How a run prepares its data, trains and is judged.
namespace ember {

/// `notebook` is the study's own: whole photos by the label of one face, balanced by copies before
/// they are split, so that a photo may stand on both sides. `photos` is the same but that it splits
/// first, with photos that look alike on one side: what it scores less is what the leak is worth.
/// `faces` splits like that too and cuts every face out, so that its numbers hold for photos nobody
/// has trained on.
enum class Protocol { notebook, photos, faces };

/// The names of the protocols.
const std::vector<std::string>& protocol_names();

Protocol parse_protocol(const std::string& name);

/// What it does, and what its numbers hold for: whole sentences.
std::string about(Protocol protocol);

/// What the protocols do differently in training.
struct TrainingRules {
  AugmentationRanges augmentation;
  bool augments_validation;
  /// Classes have shares of a batch that grow with this power of their rows: 0 makes all equal, 1
  /// leaves them as they are. Absent: the rows are as they should be.
  std::optional<double> balance;
  /// BatchNorms of a pretrained base keep their statistics while it is fine-tuned.
  bool keeps_statistics;
  /// The learning rate rises in the first steps of a stage and falls to 0 like half a cosine.
  bool has_schedule;
};
const TrainingRules& rules_of(Protocol protocol);

}  // namespace ember
