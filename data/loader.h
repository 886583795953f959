#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/augment.h"
#include "data/dataset.h"
#include "data/scaling.h"
#include "tensor/tensor.h"

namespace ember {

struct Batch {
  Tensor images;              ///< (n, side, side, 3), scaled
  LabelTensor labels;         ///< (n)
  std::vector<int64_t> rows;  ///< positions in the data set's rows, n of them
};

struct LoaderOptions {
  int64_t batch_size = 32;
  bool shuffle = true;  ///< a new order each epoch
  std::optional<AugmentationRanges>
      augmentation;  ///< afresh each epoch; absent: images as they are
  /// Of each class in every batch, together 1, whose rows are then served in turn, several times an
  /// epoch or not at all. Empty: each row once an epoch.
  std::vector<double> class_shares{};
  Scale scale = Scale::unit;
  uint64_t seed = 1;            ///< of the order and the augmentation
  Device device = Device::cpu;  ///< where batches are made, and stay
};

class BatchMaker;

/// Serves some rows of a data set in batches, epoch by epoch. On the CPU a thread of its own
/// prepares the next batches while the caller works on one; a GPU keeps the photos, and makes a
/// batch in one kernel. An epoch serves as many rows as there are; its last batch may be short. The
/// order depends on (seed, epoch), and an image on (seed, epoch, row, how often the epoch has
/// served that row before), never on timing. Allocates everything at the start.
class Loader {
 public:
  /// `dataset` must outlive the loader; `rows` are positions in its rows.
  Loader(const Dataset& dataset, std::vector<int64_t> rows, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  int64_t row_count() const;
  int64_t batch_count() const;  ///< batches in an epoch

  /// Begins epoch `epoch`, and leaves an unfinished one.
  void start_epoch(uint64_t epoch);

  /// The next batch, null at the epoch's end. It stays valid until the next call of next() or
  /// start_epoch(). Throws what went wrong in the preparing thread.
  const Batch* next();

 private:
  std::unique_ptr<BatchMaker> maker_;
};

}  // namespace ember
