#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nn/adam.h"
#include "nn/history.h"
#include "nn/model.h"
#include "nn/trainer.h"

/// The training loop.
namespace ember {

/// Where batches come from: epochs of batches, whose last one may be short.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual int64_t batch_count() const = 0;
  virtual void start_epoch(uint64_t epoch) = 0;
  /// Nothing at the epoch's end; a batch stays valid until the next call.
  virtual std::optional<BatchView> next() = 0;
};

/// Sums over the rows of several batches.
struct EpochTotals {
  BatchTotals sum;
  int64_t rows = 0;

  void add(const BatchTotals& batch, int64_t batch_rows);
  double mean_loss() const;
  double accuracy() const;
};

/// Where a stage of training stands between two steps.
struct FitPosition {
  int epoch = 1;       ///< that is under way
  int64_t step = 0;    ///< taken in it
  EpochTotals totals;  ///< of these
};

/// Where training stands after a step: means over the epoch so far, weighted by rows as Keras does.
struct StepProgress {
  int64_t step = 0;   ///< within the epoch, from 1
  int64_t steps = 0;  ///< of the epoch
  double loss = 0;
  double accuracy = 0;
  double seconds = 0;  ///< since the epoch began
};

/// What watches or steers training. `history` holds the epochs of this stage so far.
class Callback {
 public:
  virtual ~Callback() = default;
  virtual void on_epoch_begin(int epoch, int epochs) { (void)epoch, (void)epochs; }
  virtual void on_step(const StepProgress&) {}
  /// False stops training after this epoch.
  virtual bool on_epoch_end(Model&, const EpochResult&) { return true; }
  virtual void on_train_end(Model&) {}
  /// The user interrupts; all steps up to `position` are done.
  virtual void on_interrupt(Model&, const FitPosition& /*position*/) {}
};

/// Stops when the validation loss has not fallen for `patience` epochs, and gives the model the
/// weights of the best epoch back at the end of training, whether it stopped early or not.
class EarlyStopping : public Callback {
 public:
  explicit EarlyStopping(int patience) : patience_(patience) {}

  bool on_epoch_end(Model& model, const EpochResult& result) override;
  void on_train_end(Model& model) override;

  int best_epoch() const { return state_.best_epoch; }

  /// What it knows of the epochs before.
  struct State {
    int best_epoch = 0;
    int waited = 0;
    double best_loss = 0;
    std::vector<Tensor> best_weights;  ///< of each parameter of the model, in order
  };
  const State& state() const { return state_; }
  /// Goes on from `state`, whose tensors it puts on the model's device.
  void restore(State state, Device device);
  /// Whether it has said so after the last epoch.
  bool stops() const { return state_.waited >= patience_; }

 private:
  int patience_;
  State state_;
};

/// The learning rate of each step of a stage, which are counted from 0.
using Schedule = std::function<double(int64_t step)>;

/// Rises linearly to `peak` in `warmup` steps, then falls to 0 at step `steps` as half a cosine
/// does. (Loshchilov, Hutter: "SGDR: stochastic gradient descent with warm restarts", 2017.)
Schedule warmup_cosine(double peak, int64_t warmup, int64_t steps);

struct FitOptions {
  std::string stage;  ///< "frozen", "finetune", ...; stands in the history
  int epochs = 1;
  uint64_t seed = 1;  ///< of dropout
  uint64_t first_step =
      0;  ///< steps that the run has taken before, so that no stage repeats another's dropout
  uint64_t first_epoch = 0;  ///< likewise for the batches' order and augmentation
  Schedule schedule{};       ///< empty: the optimizer's rate stays
  FitPosition from{};        ///< where an interrupted stage goes on
};

/// Trains with softmax cross-entropy. Where a source throws Interrupted, the steps that were begun
/// are finished before it goes on to the caller. Throws Error(data) that names the first step, or
/// the epoch whose validation it was, when a loss is not a number; a GPU may have taken some more
/// steps by then, fewer than Trainer::kMostPending.
History fit(Model& model, Adam& optimizer, BatchSource& training, BatchSource* validation,
            const FitOptions& options, std::span<Callback* const> callbacks);

/// Throws Error(data): the loss is not a number there.
[[noreturn]] void fail_on_loss(const std::string& where);

/// What the model says of some rows, in inference.
struct Evaluation {
  double loss = 0;  ///< mean cross-entropy in nats
  double accuracy = 0;
  Tensor probabilities;  ///< (rows, classes), in the order of the batches
  std::vector<int32_t> labels;
};
Evaluation evaluate(Model& model, BatchSource& source, uint64_t epoch = 0);
/// In `memory`, which several evaluations may share: the later ones then allocate nothing on the
/// device.
Evaluation evaluate(Model& model, BatchSource& source, uint64_t epoch, BatchMemory& memory);

}  // namespace ember
