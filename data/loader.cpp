#include "data/loader.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "tensor/error.h"
#include "tensor/random.h"

namespace ember {

/// Batches travel through a ring of slots: the thread fills slot `prepared_` % kSlots while the
/// caller reads the one before `served_`. The lock guards the counters; a slot's content belongs to
/// the thread until it is prepared, and to the caller from then until it is released.
class Loader::Worker {
 public:
  Worker(const Dataset& dataset, std::vector<int64_t> rows, const LoaderOptions& options)
      : dataset_(dataset),
        rows_(std::move(rows)),
        order_(rows_),
        options_(options),
        scaling_(scaling_of(options.scale)) {
    EMBER_REQUIRE(options.batch_size > 0, "loader: batch size {}", options.batch_size);
    const int64_t size = std::min(options.batch_size, std::max<int64_t>(row_count(), 1));
    for (Slot& slot : slots_) {
      slot.images = Tensor(dataset.photos.pixels.shape().with_rows(size));
      slot.labels = LabelTensor({size});
      slot.batch.rows.reserve(static_cast<size_t>(size));
    }
    prepared_ = served_ = released_ = batch_count();  // no epoch yet
    thread_ = std::thread([this] { run(); });
  }

  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  int64_t row_count() const { return static_cast<int64_t>(rows_.size()); }
  int64_t batch_count() const {
    return (row_count() + options_.batch_size - 1) / options_.batch_size;
  }

  void start_epoch(uint64_t epoch) {
    std::unique_lock lock(mutex_);
    prepared_ = batch_count();  // the thread begins no other batch
    changed_.wait(lock, [this] { return !filling_; });
    epoch_ = epoch;
    failure_ = nullptr;
    std::copy(rows_.begin(), rows_.end(), order_.begin());
    if (options_.shuffle) shuffle_order();
    prepared_ = served_ = released_ = 0;
    changed_.notify_all();
  }

  const Batch* next() {
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
    Tensor images;
    LabelTensor labels;
    Batch batch;  ///< views of these, as long as the batch is
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

  /// Fisher and Yates's shuffle; draw i decides what moves to place i.
  void shuffle_order() {
    const Philox random(options_.seed, Purpose::shuffle, epoch_);
    for (size_t i = order_.size(); i > 1; --i) {
      const uint64_t j = uint64_t{random.bits(i - 1)} * i >> 32;
      std::swap(order_[i - 1], order_[j]);
    }
  }

  void fill(int64_t batch, Slot& slot) {
    const int64_t begin = batch * options_.batch_size;
    const int64_t count = std::min(options_.batch_size, row_count() - begin);
    slot.batch.images = slot.images.rows(0, count);
    slot.batch.labels = slot.labels.rows(0, count);
    slot.batch.rows.assign(order_.begin() + begin, order_.begin() + begin + count);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = slot.batch.rows[static_cast<size_t>(i)];
      Tensor image = slot.images.rows(i, i + 1).reshape(dataset_.image_shape());
      prepare_image(row, image);
      slot.labels.data()[i] = dataset_.labels[static_cast<size_t>(row)];
    }
  }

  void prepare_image(int64_t row, Tensor& image) const {
    const ByteTensor pixels = dataset_.pixels_of(row);
    if (!options_.augmentation.has_value()) return scale_pixels(pixels, options_.scale, image);
    const int64_t height = pixels.dim(0);
    const int64_t width = pixels.dim(1);
    const Philox random(options_.seed, Purpose::augmentation, epoch_);
    const auto parameters = draw_augmentation(*options_.augmentation, random,
                                              static_cast<uint64_t>(row), height, width);
    warp(pixels.data(), height, width, pixel_map(parameters, height, width), scaling_,
         image.data());
  }

  const Dataset& dataset_;
  const std::vector<int64_t> rows_;
  std::vector<int64_t> order_;  ///< of the current epoch
  const LoaderOptions options_;
  const Scaling scaling_;
  std::array<Slot, kSlots> slots_;

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t epoch_ = 0;
  int64_t prepared_;  ///< batches of this epoch that are filled,
  int64_t served_;    ///< that the caller has got,
  int64_t released_;  ///< and that it has given back
  bool filling_ = false;
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

Loader::Loader(const Dataset& dataset, std::vector<int64_t> rows, const LoaderOptions& options)
    : worker_(std::make_unique<Worker>(dataset, std::move(rows), options)) {}
Loader::~Loader() = default;

int64_t Loader::row_count() const { return worker_->row_count(); }
int64_t Loader::batch_count() const { return worker_->batch_count(); }
void Loader::start_epoch(uint64_t epoch) { worker_->start_epoch(epoch); }
const Batch* Loader::next() { return worker_->next(); }

}  // namespace ember
