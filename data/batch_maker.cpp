#include "data/batch_maker.h"

#include <algorithm>
#include <utility>

#include "tensor/error.h"
#include "tensor/random.h"

namespace ember {

BatchPlan::BatchPlan(int64_t rows, Device device)
    : photo_of({rows}, device), maps({rows}, device), labels({rows}, device) {}

BatchPlan BatchPlan::rows(int64_t begin, int64_t end) const {
  BatchPlan part;
  part.photo_of = photo_of.rows(begin, end);
  part.maps = maps.rows(begin, end);
  part.labels = labels.rows(begin, end);
  return part;
}

BatchMaker::BatchMaker(const Dataset& dataset, std::vector<int64_t> rows,
                       const LoaderOptions& options)
    : dataset_(dataset),
      rows_(std::move(rows)),
      options_(options),
      scaling_(scaling_of(options.scale)),
      order_(rows_) {
  EMBER_REQUIRE(options.batch_size > 0, "loader: batch size {}", options.batch_size);
}

int64_t BatchMaker::batch_count() const {
  return (row_count() + options_.batch_size - 1) / options_.batch_size;
}

int64_t BatchMaker::batch_rows() const {
  return std::min(options_.batch_size, std::max<int64_t>(row_count(), 1));
}

void BatchMaker::draw_order(uint64_t epoch) {
  epoch_ = epoch;
  std::copy(rows_.begin(), rows_.end(), order_.begin());
  if (!options_.shuffle) return;
  // Fisher and Yates's shuffle; draw i decides what moves to place i.
  const Philox random(options_.seed, Purpose::shuffle, epoch);
  for (size_t i = order_.size(); i > 1; --i) {
    const uint64_t j = uint64_t{random.bits(i - 1)} * i >> 32;
    std::swap(order_[i - 1], order_[j]);
  }
}

std::span<const int64_t> BatchMaker::rows_of(int64_t batch) const {
  const int64_t begin = batch * options_.batch_size;
  const int64_t count = std::min(options_.batch_size, row_count() - begin);
  return order().subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
}

int32_t BatchMaker::photo_of(int64_t row) const {
  EMBER_REQUIRE(row >= 0 && row < dataset_.row_count(), "row {} of a data set of {}", row,
                dataset_.row_count());
  return static_cast<int32_t>(dataset_.photos.photo_of[static_cast<size_t>(row)]);
}

void BatchMaker::plan(std::span<const int64_t> rows, BatchPlan& plan) const {
  const Shape image = dataset_.image_shape();
  const Philox random(options_.seed, Purpose::augmentation, epoch_);
  for (size_t i = 0; i < rows.size(); ++i) {
    plan.photo_of.data()[i] = photo_of(rows[i]);
    const auto row = static_cast<size_t>(rows[i]);
    plan.labels.data()[i] = dataset_.labels[row];
    if (!options_.augmentation.has_value()) continue;
    const auto parameters =
        draw_augmentation(*options_.augmentation, random, row, image[0], image[1]);
    plan.maps.data()[i] = pixel_map(parameters, image[0], image[1]);
  }
}

void BatchMaker::assemble(const ByteTensor& photos, const BatchPlan& plan, Tensor& images) const {
  if (options_.augmentation.has_value()) {
    warp_batch(photos, plan.photo_of, plan.maps, scaling_, images);
  } else {
    scale_batch(photos, plan.photo_of, options_.scale, images);
  }
}

}  // namespace ember
