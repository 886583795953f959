#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/dataset.h"
#include "data/loader.h"
#include "data/warp.h"
#include "tensor/random.h"

namespace ember {

/// What a batch is made of, on the device that makes it.
struct BatchPlan {
  IndexTensor photo_of;     ///< (n), places in the photos at hand
  TensorOf<PixelMap> maps;  ///< (n), not set where images stay as they are,
  Tensor brightness;        ///< (n), likewise
  LabelTensor labels;       ///< (n)

  BatchPlan(int64_t rows, Device device);
  /// Its rows [begin, end).
  BatchPlan rows(int64_t begin, int64_t end) const;

 private:
  BatchPlan() = default;
};

/// Where a loader's batches come from: the order of an epoch and what each row looks like in it,
/// which is the same on every device.
class BatchMaker {
 public:
  BatchMaker(const Dataset& dataset, std::vector<int64_t> rows, const LoaderOptions& options);
  virtual ~BatchMaker() = default;
  BatchMaker(const BatchMaker&) = delete;
  BatchMaker& operator=(const BatchMaker&) = delete;

  int64_t row_count() const { return static_cast<int64_t>(rows_.size()); }
  int64_t batch_count() const;

  /// As in Loader.
  virtual void start_epoch(uint64_t epoch) = 0;
  virtual const Batch* next() = 0;

 protected:
  const Dataset& dataset() const { return dataset_; }
  /// The rows of the largest batch.
  int64_t batch_rows() const;
  /// Makes the order of `epoch`.
  void draw_order(uint64_t epoch);
  /// Positions in the data set's rows of batch `batch`.
  std::span<const int64_t> rows_of(int64_t batch) const;
  /// Plans `rows`, which lie in order(); places are those of the data set's photos.
  void plan(std::span<const int64_t> rows, BatchPlan& plan) const;
  std::span<const int64_t> order() const { return order_; }
  /// The data set's photo that a row shows.
  int32_t photo_of(int64_t row) const;
  /// The images of a plan, from photos (P, height, width, 3).
  void assemble(const ByteTensor& photos, const BatchPlan& plan, Tensor& images) const;

 private:
  /// An order in which each class has its share of every run of rows.
  void deal(const Philox& random);

  const Dataset& dataset_;
  const std::vector<int64_t> rows_;
  const LoaderOptions options_;
  const Scaling scaling_;
  std::vector<int64_t> order_;         ///< of the current epoch
  std::vector<int64_t> times_served_;  ///< how often each of them stands before in the order
  uint64_t epoch_ = 0;
};

/// A thread prepares batches on the CPU.
std::unique_ptr<BatchMaker> make_cpu_batch_maker(const Dataset& dataset, std::vector<int64_t> rows,
                                                 const LoaderOptions& options);

/// A GPU makes batches from photos that it keeps.
std::unique_ptr<BatchMaker> make_cuda_batch_maker(const Dataset& dataset, std::vector<int64_t> rows,
                                                  const LoaderOptions& options);

}  // namespace ember
