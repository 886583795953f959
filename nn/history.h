#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace ember {

/// What one epoch of training came to. Losses are mean cross-entropies in nats; loss and accuracy
/// of training are means over the epoch's batches as the weights changed (with dropout and
/// augmentation), those of validation are taken after the last batch.
struct EpochResult {
  std::string stage;  ///< what trained: "baseline", "frozen", "finetune"
  int epoch = 0;      ///< within the stage, from 1
  double loss = 0;
  double accuracy = 0;
  double val_loss = std::numeric_limits<double>::quiet_NaN();  ///< NaN without validation
  double val_accuracy = std::numeric_limits<double>::quiet_NaN();
  double learning_rate = 0;
  int64_t steps = 0;       ///< of training, since the epoch began or was gone on with
  double seconds = 0;      ///< the whole epoch with its validation
  double ms_per_step = 0;  ///< mean time of a training step, waiting for data included
  double ms_waited = 0;    ///< of that, waiting for data

  bool validated() const { return !std::isnan(val_loss); }
};

/// The epochs of all stages, in order.
using History = std::vector<EpochResult>;

}  // namespace ember
