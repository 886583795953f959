#include "nn/trainer.h"

#include <cstring>

#include "kernels/dropout.h"
#include "kernels/softmax_cross_entropy.h"

namespace ember {
namespace {

/// A tensor of this shape within `storage`, which is made anew only when it is of another kind or
/// has too few rows.
template <typename T>
TensorOf<T> fitted(TensorOf<T>& storage, const Shape& shape, Device device) {
  if (storage.empty() || storage.device() != device || storage.dim(0) < shape[0] ||
      storage.shape().with_rows(shape[0]) != shape) {
    storage = TensorOf<T>(shape, device);
  }
  return storage.rows(0, shape[0]);
}

template <typename T>
TensorOf<T> placed(const TensorOf<T>& tensor, Device device, TensorOf<T>& storage,
                   cuda::Staging& staging) {
  if (tensor.device() == device) return tensor;
  TensorOf<T> copy = fitted(storage, tensor.shape(), device);
  if (device == Device::cuda) {
    staging.copy(copy.data(), tensor.data(), static_cast<size_t>(tensor.size()) * sizeof(T));
  } else {
    copy.copy_from(tensor);
  }
  return copy;
}

}  // namespace

BatchView BatchMemory::placed(const BatchView& batch, Device device) {
  return {ember::placed(batch.images, device, images, images_staging),
          ember::placed(batch.labels, device, labels, labels_staging)};
}

BatchLoss batch_loss(Model& model, const BatchView& batch, const Step& step, BatchMemory& memory) {
  const Device device = model.device();
  const Tensor logits = model.forward(batch.images, step);
  BatchLoss loss{.probabilities = fitted(memory.loss.probabilities, logits.shape(), device),
                 .losses = fitted(memory.loss.losses, {logits.dim(0)}, device),
                 .totals = fitted(memory.loss.totals, {1}, device)};
  softmax_cross_entropy_forward(logits, batch.labels, loss.probabilities, loss.losses);
  batch_totals(loss.probabilities, loss.losses, batch.labels, loss.totals);
  return loss;
}

void Trainer::compute(const BatchView& batch, const Step& step) {
  const BatchLoss loss = batch_loss(*model_, batch, step, memory_);
  Tensor dlogits = fitted(memory_.dlogits, loss.probabilities.shape(), model_->device());
  softmax_cross_entropy_backward(loss.probabilities, batch.labels, dlogits);
  model_->backward(dlogits);
  optimizer_->update();
}

void Trainer::queue(const BatchView& given, const Step& step) {
  EMBER_REQUIRE(pending_.size() < static_cast<size_t>(kMostPending),
                "trainer: the results of {} steps have not been taken", kMostPending);
  const BatchView batch = memory_.placed(given, model_->device());
  optimizer_->begin_step();
  pending_.push_back({.number = step.number, .rows = batch.labels.size(), .totals = {}});
  if (model_->device() == Device::cpu) {
    compute(batch, step);
    pending_.back().totals = memory_.loss.totals.data()[0];
    return;
  }
  graphs_.run(
      {.images = batch.images.data(),
       .labels = batch.labels.data(),
       .rows = batch.labels.size(),
       .model_version = model_->version(),
       .seed = step.seed,
       .conv = conv_backend()},
      [&] {
        cuda::set_replayed_dropout_step(step.number);
        optimizer_->prepare_replay();
      },
      [&] { compute(batch, step); });
  if (!readback_) readback_.emplace(sizeof(BatchTotals), kMostPending);
  readback_->queue(memory_.loss.totals.data());
}

std::optional<StepResult> Trainer::result(int64_t most_pending) {
  if (pending_.empty()) return std::nullopt;
  if (readback_ && !readback_->arrived() && std::ssize(pending_) <= most_pending) {
    return std::nullopt;
  }
  StepResult result = pending_.front();
  pending_.pop_front();
  if (readback_) std::memcpy(&result.totals, readback_->take(), sizeof(result.totals));
  return result;
}

StepResult Trainer::step(const BatchView& batch, const Step& step) {
  EMBER_REQUIRE(pending_.empty(), "trainer: {} steps are pending", pending_.size());
  queue(batch, step);
  return *result();
}

}  // namespace ember
