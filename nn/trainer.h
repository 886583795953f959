#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "kernels/batch_totals.h"
#include "nn/adam.h"
#include "nn/model.h"
#include "nn/step_graphs.h"
#include "tensor/cuda/readback.h"
#include "tensor/cuda/staging.h"

namespace ember {

/// A batch that somebody else owns: images (N, H, W, C) and class indices (N), on any device.
struct BatchView {
  Tensor images;
  LabelTensor labels;
};

/// What a loss says of a batch, on the model's device.
struct BatchLoss {
  Tensor probabilities;          ///< (rows, classes)
  Tensor losses;                 ///< (rows)
  TensorOf<BatchTotals> totals;  ///< (1)
};

/// Memory that the batches of one loop share, so that only the first ones allocate.
struct BatchMemory {
  Tensor images;  ///< of batches that come from another device than the model's
  LabelTensor labels;
  cuda::Staging images_staging;
  cuda::Staging labels_staging;
  BatchLoss loss;
  Tensor dlogits;

  /// `batch` on a device: itself where it lies there already, else a copy, which lasts until the
  /// next call.
  BatchView placed(const BatchView& batch, Device device);
};

/// The forward pass of a batch on the model's device and its loss, softmax cross-entropy; in
/// `memory` until the next batch.
BatchLoss batch_loss(Model& model, const BatchView& batch, const Step& step, BatchMemory& memory);

/// What a training step says of its batch, before its update.
struct StepResult {
  uint64_t number = 0;  ///< Step::number
  int64_t rows = 0;
  BatchTotals totals;

  double loss() const { return totals.loss / static_cast<double>(rows); }  ///< the mean
};

/// Takes training steps: forward, loss, backward, update. On a GPU a step is only queued, as a CUDA
/// graph once it repeats itself (see StepGraphs), and its result comes later: the host never stands
/// between two steps.
class Trainer {
 public:
  /// `optimizer` is one of `model`, which stays on its device.
  Trainer(Model& model, Adam& optimizer, bool graphs = true)
      : model_(&model), optimizer_(&optimizer), graphs_(graphs) {}

  /// Steps that may be without their result at most.
  static constexpr int64_t kMostPending = 8;
  /// Steps without their result that suffice for a GPU to have work at any time.
  static constexpr int64_t kStepsAhead = 4;

  /// Takes a step.
  void queue(const BatchView& batch, const Step& step);
  /// The result of the oldest step that has not given it yet: nothing when there is none, or when
  /// it has not come and at most `most_pending` are still to come. Waits for it otherwise.
  std::optional<StepResult> result(int64_t most_pending = 0);

  /// Takes a step and waits for its result; all others have been taken.
  StepResult step(const BatchView& batch, const Step& step);

 private:
  void compute(const BatchView& batch, const Step& step);

  Model* model_;
  Adam* optimizer_;
  BatchMemory memory_;
  StepGraphs graphs_;
  std::deque<StepResult> pending_;          ///< in the order of the steps
  std::optional<cuda::Readback> readback_;  ///< brings their totals where the model is on a GPU
};

}  // namespace ember
