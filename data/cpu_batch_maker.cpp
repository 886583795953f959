#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "data/batch_maker.h"

namespace ember {
namespace {

/// Batches travel through a ring of slots: the thread fills slot `prepared_` % kSlots while the
/// caller reads the one before `served_`. The lock guards the counters; a slot's content belongs to
/// the thread until it is prepared, and to the caller from then until it is released.
class CpuBatchMaker final : public BatchMaker {
 public:
  CpuBatchMaker(const Dataset& dataset, std::vector<int64_t> rows, const LoaderOptions& options)
      : BatchMaker(dataset, std::move(rows), options),
        slots_{Slot(dataset, batch_rows()), Slot(dataset, batch_rows()),
               Slot(dataset, batch_rows())} {
    prepared_ = served_ = released_ = batch_count();  // no epoch yet
    thread_ = std::thread([this] { run(); });
  }

  ~CpuBatchMaker() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void start_epoch(uint64_t epoch) override {
    std::unique_lock lock(mutex_);
    prepared_ = batch_count();  // the thread begins no other batch
    changed_.wait(lock, [this] { return !filling_; });
    failure_ = nullptr;
    draw_order(epoch);
    prepared_ = served_ = released_ = 0;
    changed_.notify_all();
  }

  const Batch* next() override {
    std::unique_lock lock(mutex_);
    released_ = served_;
    changed_.notify_all();
    if (served_ == batch_count()) return nullptr;
    changed_.wait(lock, [this] { return prepared_ > served_ || failure_ != nullptr; });
    if (prepared_ <= served_) std::rethrow_exception(failure_);
    return &slots_[static_cast<size_t>(served_++ % kSlots)].batch;
  }

 private:
  static constexpr int64_t kSlots = 3;

  struct Slot {
    BatchPlan plan;
    Tensor images;
    Batch batch;  ///< views of these, as long as the batch is

    Slot(const Dataset& dataset, int64_t rows)
        : plan(rows, Device::cpu), images(dataset.photos.pixels.shape().with_rows(rows)) {
      batch.rows.reserve(static_cast<size_t>(rows));
    }
  };

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] {
        return stopping_ ||
               (failure_ == nullptr && prepared_ < batch_count() && prepared_ - released_ < kSlots);
      });
      if (stopping_) return;
      const int64_t batch = prepared_;
      filling_ = true;
      lock.unlock();
      std::exception_ptr failure;
      try {
        fill(batch, slots_[static_cast<size_t>(batch % kSlots)]);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      filling_ = false;
      failure_ = failure;
      if (failure == nullptr && prepared_ == batch)
        ++prepared_;  // else start_epoch has cut it short
      changed_.notify_all();
    }
  }

  void fill(int64_t batch, Slot& slot) const {
    const auto rows = rows_of(batch);
    const auto count = static_cast<int64_t>(rows.size());
    BatchPlan part = slot.plan.rows(0, count);
    plan(rows, part);
    slot.batch.rows.assign(rows.begin(), rows.end());
    slot.batch.images = slot.images.rows(0, count);
    slot.batch.labels = part.labels;
    assemble(dataset().photos.pixels, part, slot.batch.images);
  }

  std::array<Slot, kSlots> slots_;

  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t prepared_;  ///< batches of this epoch that are filled,
  int64_t served_;    ///< that the caller has got,
  int64_t released_;  ///< and that it has given back
  bool filling_ = false;
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<BatchMaker> make_cpu_batch_maker(const Dataset& dataset, std::vector<int64_t> rows,
                                                 const LoaderOptions& options) {
  return std::make_unique<CpuBatchMaker>(dataset, std::move(rows), options);
}

}  // namespace ember
