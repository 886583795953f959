#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/checkpoint.h"
#include "nn/history.h"
#include "nn/train.h"

namespace ember {

/// Where a run stands between two steps, and everything that its further course depends on.
struct RunState {
  struct Fold {
    History history;
    double test_loss = 0;
    Tensor probabilities;  ///< of the test, (rows, classes); empty until it is done
  };

  uint32_t data_checksum = 0;  ///< of what the run learns from
  double seconds = 0;          ///< that the run has taken
  std::vector<Fold> folds;     ///< the last one is under way
  int stage = 1;               ///< of that fold
  FitPosition position;        ///< in that stage
  std::map<std::string, Tensor> weights;
  int64_t adam_steps = 0;
  std::map<std::string, Tensor> averages;  ///< Adam's
  EarlyStopping::State early_stopping;
};

Checkpoint to_checkpoint(const RunState& state);

/// Throws Error(data) when it is no state of a run.
RunState to_run_state(const Checkpoint& checkpoint);

}  // namespace ember
