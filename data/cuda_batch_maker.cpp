#include <algorithm>
#include <utility>

#include "data/batch_maker.h"

namespace ember {
namespace {

/// The photos of the rows stay on the GPU as bytes. The plan of a whole epoch goes there when the
/// epoch starts, so that a batch takes one kernel and no copy from the host. As the GPU works in
/// the order of the calls, one set of images is enough: a batch is made when all that reads the one
/// before is done. Their addresses stay, as a CUDA graph of a training step wants it.
class CudaBatchMaker final : public BatchMaker {
 public:
  CudaBatchMaker(const Dataset& dataset, std::vector<int64_t> rows, const LoaderOptions& options)
      : BatchMaker(dataset, std::move(rows), options),
        host_plan_(row_count(), Device::cpu),
        plan_(row_count(), Device::cuda),
        images_(dataset.photos.pixels.shape().with_rows(batch_rows()), Device::cuda),
        labels_({batch_rows()}, Device::cuda),
        next_(batch_count()) {
    keep_photos();
    batch_.rows.reserve(static_cast<size_t>(batch_rows()));
  }

  void start_epoch(uint64_t epoch) override {
    draw_order(epoch);
    plan(order(), host_plan_);
    for (int32_t& photo : host_plan_.photo_of.values()) {
      photo = place_of_[static_cast<size_t>(photo)];
    }
    plan_.photo_of.copy_from(host_plan_.photo_of);
    plan_.maps.copy_from(host_plan_.maps);
    plan_.brightness.copy_from(host_plan_.brightness);
    plan_.labels.copy_from(host_plan_.labels);
    next_ = 0;
  }

  const Batch* next() override {
    if (next_ == batch_count()) return nullptr;
    const auto rows = rows_of(next_++);
    const auto count = static_cast<int64_t>(rows.size());
    const int64_t begin = rows.data() - order().data();
    const BatchPlan plan = plan_.rows(begin, begin + count);
    batch_.rows.assign(rows.begin(), rows.end());
    batch_.images = images_.rows(0, count);
    batch_.labels = labels_.rows(0, count);
    batch_.labels.copy_from(plan.labels);
    assemble(photos_, plan, batch_.images);
    return &batch_;
  }

 private:
  /// Those that the rows show, each once.
  void keep_photos() {
    const ByteTensor& all = dataset().photos.pixels;
    std::vector<int64_t> kept;
    place_of_.assign(static_cast<size_t>(all.dim(0)), -1);
    for (const int64_t row : order()) {
      const int32_t photo = photo_of(row);
      int32_t& place = place_of_[static_cast<size_t>(photo)];
      if (place >= 0) continue;
      place = static_cast<int32_t>(kept.size());
      kept.push_back(photo);
    }
    ByteTensor photos(all.shape().with_rows(static_cast<int64_t>(kept.size())));
    for (size_t i = 0; i < kept.size(); ++i) {
      const auto place = static_cast<int64_t>(i);
      photos.rows(place, place + 1).copy_from(all.rows(kept[i], kept[i] + 1));
    }
    photos_ = photos.to(Device::cuda);
  }

  ByteTensor photos_;
  std::vector<int32_t> place_of_;  ///< of the data set's photos in `photos_`, -1 for none
  BatchPlan host_plan_;            ///< of the current epoch,
  BatchPlan plan_;                 ///< and the same on the GPU
  Tensor images_;
  LabelTensor labels_;
  Batch batch_;
  int64_t next_;
};

}  // namespace

std::unique_ptr<BatchMaker> make_cuda_batch_maker(const Dataset& dataset, std::vector<int64_t> rows,
                                                  const LoaderOptions& options) {
  return std::make_unique<CudaBatchMaker>(dataset, std::move(rows), options);
}

}  // namespace ember
