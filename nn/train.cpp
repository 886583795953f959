#include "nn/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "kernels/softmax_cross_entropy.h"

namespace ember {
namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Sums over rows of what a batch says.
struct Totals {
  double loss = 0;
  int64_t correct = 0;
  int64_t rows = 0;

  double mean_loss() const { return rows == 0 ? 0 : loss / static_cast<double>(rows); }
  double accuracy() const {
    return rows == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(rows);
  }
};

int64_t count_correct(const Tensor& probabilities, const LabelTensor& labels) {
  const int64_t classes = probabilities.dim(1);
  int64_t correct = 0;
  for (int64_t row = 0; row < labels.size(); ++row) {
    const float* p = probabilities.data() + row * classes;
    correct += std::max_element(p, p + classes) - p == labels.data()[row];
  }
  return correct;
}

double sum(const Tensor& losses) {
  double total = 0;
  for (float loss : losses.values()) total += loss;
  return total;
}

[[noreturn]] void fail_on_loss(const std::string& where, const std::string& stage) {
  fail(ExitCode::data,
       "the loss is not a number {} ({}); lower the learning rate or look at the images", where,
       stage);
}

/// A tensor of this shape within `storage`, which is made anew only when it is too small.
template <typename T>
TensorOf<T> fitted(TensorOf<T>& storage, const Shape& shape, Device device) {
  if (storage.empty() || storage.dim(0) < shape[0]) storage = TensorOf<T>(shape, device);
  return storage.rows(0, shape[0]);
}

/// `tensor` on a device: itself where it lies there already, else a copy in `storage`.
template <typename T>
TensorOf<T> placed(const TensorOf<T>& tensor, Device device, TensorOf<T>& storage) {
  if (tensor.device() == device) return tensor;
  TensorOf<T> copy = fitted(storage, tensor.shape(), device);
  copy.copy_from(tensor);
  return copy;
}

/// The loss of a batch, on the model's device and on the host.
struct BatchLoss {
  LabelTensor labels;
  Tensor probabilities;
  LabelTensor host_labels;
  Tensor host_probabilities;
  Tensor host_losses;
};

BatchLoss batch_loss(Model& model, const BatchView& batch, const Step& step, BatchMemory& memory) {
  const Device device = model.device();
  const Tensor logits = model.forward(placed(batch.images, device, memory.images), step);
  BatchLoss loss{.labels = placed(batch.labels, device, memory.labels),
                 .probabilities = fitted(memory.probabilities, logits.shape(), device),
                 .host_labels = placed(batch.labels, Device::cpu, memory.host_labels),
                 .host_probabilities = {},
                 .host_losses = {}};
  Tensor losses = fitted(memory.losses, {logits.dim(0)}, device);
  softmax_cross_entropy_forward(logits, loss.labels, loss.probabilities, losses);
  loss.host_probabilities = placed(loss.probabilities, Device::cpu, memory.host_probabilities);
  loss.host_losses = placed(losses, Device::cpu, memory.host_losses);
  return loss;
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

StepResult Trainer::step(const BatchView& batch, const Step& step) {
  BatchLoss result = batch_loss(*model_, batch, step, memory_);
  const double loss = sum(result.host_losses) / static_cast<double>(batch.labels.size());
  if (!std::isfinite(loss)) return {loss, 0};

  Tensor dlogits = fitted(memory_.dlogits, result.probabilities.shape(), model_->device());
  softmax_cross_entropy_backward(result.probabilities, result.labels, dlogits);
  model_->backward(dlogits);
  optimizer_->step();
  return {loss, count_correct(result.host_probabilities, result.host_labels)};
}

Evaluation evaluate(Model& model, BatchSource& source, uint64_t epoch) {
  Evaluation evaluation;
  std::vector<float> all;
  BatchMemory memory;
  Totals totals;
  int64_t classes = 0;
  source.start_epoch(epoch);
  while (const auto batch = source.next()) {
    const BatchLoss result = batch_loss(model, *batch, {.training = false}, memory);
    classes = result.probabilities.dim(1);
    totals.loss += sum(result.host_losses);
    totals.correct += count_correct(result.host_probabilities, result.host_labels);
    totals.rows += batch->labels.size();
    const auto probabilities = result.host_probabilities.values();
    const auto labels = result.host_labels.values();
    all.insert(all.end(), probabilities.begin(), probabilities.end());
    evaluation.labels.insert(evaluation.labels.end(), labels.begin(), labels.end());
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
  uint64_t number = options.first_step;
  bool go_on = true;
  for (int epoch = 1; epoch <= options.epochs && go_on; ++epoch) {
    const auto begin = std::chrono::steady_clock::now();
    for (Callback* callback : callbacks) callback->on_epoch_begin(epoch, options.epochs);
    const uint64_t order = options.first_epoch + static_cast<uint64_t>(epoch) - 1;
    training.start_epoch(order);
    Totals totals;
    StepProgress progress{.steps = training.batch_count()};
    while (const auto batch = training.next()) {
      const StepResult result =
          trainer.step(*batch, {.training = true, .seed = options.seed, .number = number++});
      progress.step += 1;
      if (!std::isfinite(result.loss)) {
        fail_on_loss(fmt::format("at step {} of epoch {}", progress.step, epoch), options.stage);
      }
      const int64_t rows = batch->labels.size();
      totals.loss += result.loss * static_cast<double>(rows);
      totals.correct += result.correct;
      totals.rows += rows;
      progress.loss = totals.mean_loss();
      progress.accuracy = totals.accuracy();
      progress.seconds = seconds_since(begin);
      for (Callback* callback : callbacks) callback->on_step(progress);
    }
    EpochResult result{.stage = options.stage,
                       .epoch = epoch,
                       .loss = totals.mean_loss(),
                       .accuracy = totals.accuracy(),
                       .learning_rate = optimizer.learning_rate(),
                       .ms_per_step = 1000 * progress.seconds /
                                      static_cast<double>(std::max<int64_t>(progress.step, 1))};
    if (validation != nullptr) {
      const Evaluation evaluation = evaluate(model, *validation, order);
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
