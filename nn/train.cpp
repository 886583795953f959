#include "nn/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

namespace ember {
namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Sums over the rows of several batches.
struct EpochTotals {
  BatchTotals sum;
  int64_t rows = 0;

  void add(const BatchTotals& batch, int64_t batch_rows) {
    sum.loss += batch.loss;
    sum.correct += batch.correct;
    rows += batch_rows;
  }
  double mean_loss() const { return rows == 0 ? 0 : sum.loss / static_cast<double>(rows); }
  double accuracy() const {
    return rows == 0 ? 0 : static_cast<double>(sum.correct) / static_cast<double>(rows);
  }
};

[[noreturn]] void fail_on_loss(const std::string& where, const std::string& stage) {
  fail(ExitCode::data,
       "the loss is not a number {} ({}); lower the learning rate or look at the images", where,
       stage);
}

}  // namespace

bool EarlyStopping::on_epoch_end(Model& model, const EpochResult& result) {
  if (best_weights_.empty() || result.val_loss < best_loss_) {
    best_loss_ = result.val_loss;
    best_epoch_ = result.epoch;
    waited_ = 0;
    size_t k = 0;
    model.for_each_parameter([&](Layer&, Parameter& parameter) {
      if (k == best_weights_.size()) best_weights_.push_back(parameter.value.clone());
      best_weights_[k++].copy_from(parameter.value);
    });
    return true;
  }
  return ++waited_ < patience_;
}

void EarlyStopping::on_train_end(Model& model) {
  if (best_weights_.empty()) return;
  size_t k = 0;
  model.for_each_parameter(
      [&](Layer&, Parameter& parameter) { parameter.value.copy_from(best_weights_[k++]); });
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

History fit(Model& model, Adam& optimizer, BatchSource& training, BatchSource* validation,
            const FitOptions& options, std::span<Callback* const> callbacks) {
  History history;
  Trainer trainer(model, optimizer);
  BatchMemory validation_memory;
  uint64_t number = options.first_step;
  bool go_on = true;
  for (int epoch = 1; epoch <= options.epochs && go_on; ++epoch) {
    const auto begin = std::chrono::steady_clock::now();
    for (Callback* callback : callbacks) callback->on_epoch_begin(epoch, options.epochs);
    const uint64_t order = options.first_epoch + static_cast<uint64_t>(epoch) - 1;
    training.start_epoch(order);
    EpochTotals totals;
    StepProgress progress{.steps = training.batch_count()};
    const auto take = [&](const StepResult& result) {
      progress.step += 1;
      if (!std::isfinite(result.totals.loss)) {
        fail_on_loss(fmt::format("at step {} of epoch {}", progress.step, epoch), options.stage);
      }
      totals.add(result.totals, result.rows);
      progress.loss = totals.mean_loss();
      progress.accuracy = totals.accuracy();
      progress.seconds = seconds_since(begin);
      for (Callback* callback : callbacks) callback->on_step(progress);
    };
    double waited = 0;
    const auto next_batch = [&] {
      const auto asked = std::chrono::steady_clock::now();
      auto batch = training.next();
      waited += seconds_since(asked);
      return batch;
    };
    while (const auto batch = next_batch()) {
      if (options.schedule) {
        optimizer.set_learning_rate(
            options.schedule(static_cast<int64_t>(number - options.first_step)));
      }
      trainer.queue(*batch, {.training = true, .seed = options.seed, .number = number++});
      while (const auto result = trainer.result(Trainer::kStepsAhead)) take(*result);
    }
    while (const auto result = trainer.result()) take(*result);
    const auto steps = static_cast<double>(std::max<int64_t>(progress.step, 1));
    EpochResult result{.stage = options.stage,
                       .epoch = epoch,
                       .loss = totals.mean_loss(),
                       .accuracy = totals.accuracy(),
                       .learning_rate = optimizer.learning_rate(),
                       .ms_per_step = 1000 * progress.seconds / steps,
                       .ms_waited = 1000 * waited / steps};
    if (validation != nullptr) {
      const Evaluation evaluation = evaluate(model, *validation, order, validation_memory);
      // The weights can leave the numbers in the epoch's last step, which no training loss shows.
      if (!std::isfinite(evaluation.loss)) {
        fail_on_loss(fmt::format("in the validation after epoch {}", epoch), options.stage);
      }
      result.val_loss = evaluation.loss;
      result.val_accuracy = evaluation.accuracy;
    }
    result.seconds = seconds_since(begin);
    history.push_back(result);
    for (Callback* callback : callbacks) go_on = callback->on_epoch_end(model, result) && go_on;
  }
  for (Callback* callback : callbacks) callback->on_train_end(model);
  return history;
}

}  // namespace ember
