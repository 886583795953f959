#include "nn/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

#include "tensor/error.h"
#include "tensor/interrupt.h"

namespace ember {
namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

void fail_on_loss(const std::string& where) {
  fail(ExitCode::data, "the loss is not a number {}; lower the learning rate or look at the images",
       where);
}

void EpochTotals::add(const BatchTotals& batch, int64_t batch_rows) {
  sum.loss += batch.loss;
  sum.correct += batch.correct;
  rows += batch_rows;
}

double EpochTotals::mean_loss() const {
  return rows == 0 ? 0 : sum.loss / static_cast<double>(rows);
}

double EpochTotals::accuracy() const {
  return rows == 0 ? 0 : static_cast<double>(sum.correct) / static_cast<double>(rows);
}

bool EarlyStopping::on_epoch_end(Model& model, const EpochResult& result) {
  std::vector<Tensor>& best_weights = state_.best_weights;
  if (!best_weights.empty() && !(result.val_loss < state_.best_loss)) {
    return ++state_.waited < patience_;
  }
  state_.best_loss = result.val_loss;
  state_.best_epoch = result.epoch;
  state_.waited = 0;
  size_t k = 0;
  model.for_each_parameter([&](Layer&, Parameter& parameter) {
    if (k == best_weights.size()) best_weights.push_back(parameter.value.clone());
    best_weights[k++].copy_from(parameter.value);
  });
  return true;
}

void EarlyStopping::restore(State state, Device device) {
  state_ = std::move(state);
  for (Tensor& weights : state_.best_weights) weights = weights.on(device);
}

void EarlyStopping::on_train_end(Model& model) {
  if (state_.best_weights.empty()) return;
  size_t k = 0;
  model.for_each_parameter(
      [&](Layer&, Parameter& parameter) { parameter.value.copy_from(state_.best_weights[k++]); });
}

Schedule warmup_cosine(double peak, int64_t warmup, int64_t steps) {
  return [=](int64_t step) {
    if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
    const double done = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
    return peak * (1 + std::cos(std::numbers::pi * done)) / 2;
  };
}

Evaluation evaluate(Model& model, BatchSource& source, uint64_t epoch) {
  BatchMemory memory;
  return evaluate(model, source, epoch, memory);
}

Evaluation evaluate(Model& model, BatchSource& source, uint64_t epoch, BatchMemory& memory) {
  Evaluation evaluation;
  std::vector<float> all;
  EpochTotals totals;
  int64_t classes = 0;
  source.start_epoch(epoch);
  while (const auto batch = source.next()) {
    const BatchLoss loss = batch_loss(model, memory.placed(*batch, model.device()), {}, memory);
    totals.add(loss.totals.on(Device::cpu).data()[0], batch->labels.size());
    const Tensor probabilities = loss.probabilities.on(Device::cpu);
    const LabelTensor labels = batch->labels.on(Device::cpu);
    classes = probabilities.dim(1);
    all.insert(all.end(), probabilities.values().begin(), probabilities.values().end());
    evaluation.labels.insert(evaluation.labels.end(), labels.values().begin(),
                             labels.values().end());
  }
  evaluation.loss = totals.mean_loss();
  evaluation.accuracy = totals.accuracy();
  evaluation.probabilities = Tensor::from({totals.rows, classes}, all);
  return evaluation;
}

namespace {

/// What the epochs of one stage share.
class StageRun {
 public:
  StageRun(Model& model, Adam& optimizer, BatchSource& training, BatchSource* validation,
           const FitOptions& options, std::span<Callback* const> callbacks)
      : model_(model),
        optimizer_(optimizer),
        training_(training),
        validation_(validation),
        options_(options),
        callbacks_(callbacks),
        trainer_(model, optimizer) {}

  /// Trains the rest of an epoch and validates.
  EpochResult run_epoch(FitPosition position) {
    for (Callback* callback : callbacks_) callback->on_epoch_begin(position.epoch, options_.epochs);
    try {
      const auto begin = std::chrono::steady_clock::now();
      EpochResult result = train(position);
      if (validation_ != nullptr) validate(result);
      result.seconds = seconds_since(begin);
      return result;
    } catch (const Interrupted&) {
      while (const auto result = trainer_.result()) take(*result, position);
      for (Callback* callback : callbacks_) callback->on_interrupt(model_, position);
      throw;
    }
  }

 private:
  /// Number of the epoch's order and augmentation.
  uint64_t order_of(int epoch) const {
    return options_.first_epoch + static_cast<uint64_t>(epoch) - 1;
  }

  void take(const StepResult& result, FitPosition& position) const {
    position.step += 1;
    if (!std::isfinite(result.totals.loss)) {
      fail_on_loss(fmt::format("at step {} of epoch {} ({})", position.step, position.epoch,
                               options_.stage));
    }
    position.totals.add(result.totals, result.rows);
  }

  EpochResult train(FitPosition& position) {
    const auto begin = std::chrono::steady_clock::now();
    double seconds = 0;  // up to the last step
    double waited = 0;
    const auto report = [&](const StepResult& result) {
      take(result, position);
      seconds = seconds_since(begin);
      const StepProgress progress{.step = position.step,
                                  .steps = training_.batch_count(),
                                  .loss = position.totals.mean_loss(),
                                  .accuracy = position.totals.accuracy(),
                                  .seconds = seconds};
      for (Callback* callback : callbacks_) callback->on_step(progress);
    };
    const auto next_batch = [&] {
      const auto asked = std::chrono::steady_clock::now();
      auto batch = training_.next();
      waited += seconds_since(asked);
      return batch;
    };
    const int64_t first = position.step;
    int64_t step = (position.epoch - 1) * training_.batch_count() + first;  // of the stage
    training_.start_epoch(order_of(position.epoch));
    for (int64_t i = 0; i < first; ++i) training_.next();
    if (options_.schedule && first > 0) optimizer_.set_learning_rate(options_.schedule(step - 1));
    while (const auto batch = next_batch()) {
      if (options_.schedule) optimizer_.set_learning_rate(options_.schedule(step));
      trainer_.queue(*batch, {.training = true,
                              .seed = options_.seed,
                              .number = options_.first_step + static_cast<uint64_t>(step++)});
      while (const auto result = trainer_.result(Trainer::kStepsAhead)) report(*result);
    }
    while (const auto result = trainer_.result()) report(*result);
    const int64_t steps = position.step - first;
    const auto per_step = 1000 / static_cast<double>(std::max<int64_t>(steps, 1));
    return {.stage = options_.stage,
            .epoch = position.epoch,
            .loss = position.totals.mean_loss(),
            .accuracy = position.totals.accuracy(),
            .learning_rate = optimizer_.learning_rate(),
            .steps = steps,
            .ms_per_step = per_step * seconds,
            .ms_waited = per_step * waited};
  }

  void validate(EpochResult& result) {
    const Evaluation evaluation =
        evaluate(model_, *validation_, order_of(result.epoch), validation_memory_);
    // The weights can leave the numbers in the epoch's last step, which no training loss shows.
    if (!std::isfinite(evaluation.loss)) {
      fail_on_loss(
          fmt::format("in the validation after epoch {} ({})", result.epoch, options_.stage));
    }
    result.val_loss = evaluation.loss;
    result.val_accuracy = evaluation.accuracy;
  }

  Model& model_;
  Adam& optimizer_;
  BatchSource& training_;
  BatchSource* validation_;
  const FitOptions& options_;
  std::span<Callback* const> callbacks_;
  Trainer trainer_;
  BatchMemory validation_memory_;
};

}  // namespace

History fit(Model& model, Adam& optimizer, BatchSource& training, BatchSource* validation,
            const FitOptions& options, std::span<Callback* const> callbacks) {
  StageRun stage(model, optimizer, training, validation, options, callbacks);
  History history;
  FitPosition position = options.from;
  for (bool go_on = true; go_on && position.epoch <= options.epochs;) {
    history.push_back(stage.run_epoch(position));
    for (Callback* callback : callbacks) {
      go_on = callback->on_epoch_end(model, history.back()) && go_on;
    }
    position = {.epoch = position.epoch + 1, .totals = {}};
  }
  for (Callback* callback : callbacks) callback->on_train_end(model);
  return history;
}

}  // namespace ember
