#include "data/batch_maker.h"

#include <algorithm>
#include <utility>

#include "tensor/error.h"

namespace ember {

BatchPlan::BatchPlan(int64_t rows, Device device)
    : photo_of({rows}, device),
      maps({rows}, device),
      brightness({rows}, device),
      labels({rows}, device) {}

BatchPlan BatchPlan::rows(int64_t begin, int64_t end) const {
  BatchPlan part;
  part.photo_of = photo_of.rows(begin, end);
  part.maps = maps.rows(begin, end);
  part.brightness = brightness.rows(begin, end);
  part.labels = labels.rows(begin, end);
  return part;
}

BatchMaker::BatchMaker(const Dataset& dataset, std::vector<int64_t> rows,
                       const LoaderOptions& options)
    : dataset_(dataset),
      rows_(std::move(rows)),
      options_(options),
      scaling_(scaling_of(options.scale)),
      order_(rows_),
      times_served_(rows_.size()) {
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
  const Philox random(options_.seed, Purpose::shuffle, epoch);
  if (options_.class_shares.empty()) {
    shuffle(std::span(order_), random);
  } else {
    deal(random);
  }
}

void BatchMaker::deal(const Philox& random) {
  struct Deck {
    std::vector<int64_t> rows;
    size_t next = 0;     ///< that is dealt, a place in `rows`
    int64_t dealt = 0;   ///< rows so far
    int64_t rounds = 0;  ///< of the whole deck before
  };
  std::vector<Deck> decks(options_.class_shares.size());
  for (const int64_t row : rows_) {
    decks.at(static_cast<size_t>(dataset_.labels[static_cast<size_t>(row)])).rows.push_back(row);
  }
  uint64_t drawn = 0;
  const auto shuffle_deck = [&](Deck& deck) {
    shuffle(std::span(deck.rows), random, drawn);
    drawn += deck.rows.size();
  };
  for (Deck& deck : decks) shuffle_deck(deck);
  for (size_t i = 0; i < order_.size(); ++i) {
    size_t most_behind = decks.size();
    double most = 0;
    for (size_t k = 0; k < decks.size(); ++k) {
      if (decks[k].rows.empty()) continue;
      const double behind = options_.class_shares[k] * static_cast<double>(i + 1) -
                            static_cast<double>(decks[k].dealt);
      if (most_behind < decks.size() && behind <= most) continue;
      most_behind = k;
      most = behind;
    }
    Deck& deck = decks[most_behind];
    if (deck.next == deck.rows.size()) {
      shuffle_deck(deck);
      deck.next = 0;
      ++deck.rounds;
    }
    order_[i] = deck.rows[deck.next++];
    times_served_[i] = deck.rounds;
    ++deck.dealt;
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
  const auto first = static_cast<size_t>(rows.data() - order_.data());
  for (size_t i = 0; i < rows.size(); ++i) {
    plan.photo_of.data()[i] = photo_of(rows[i]);
    const auto row = static_cast<size_t>(rows[i]);
    plan.labels.data()[i] = dataset_.labels[row];
    if (!options_.augmentation.has_value()) continue;
    const auto element =
        static_cast<uint64_t>(rows[i] + times_served_[first + i] * dataset_.row_count());
    const auto parameters =
        draw_augmentation(*options_.augmentation, random, element, image[0], image[1]);
    plan.maps.data()[i] = pixel_map(parameters, image[0], image[1]);
    plan.brightness.data()[i] = static_cast<float>(parameters.brightness);
  }
}

void BatchMaker::assemble(const ByteTensor& photos, const BatchPlan& plan, Tensor& images) const {
  if (options_.augmentation.has_value()) {
    warp_batch(photos, plan.photo_of, plan.maps, plan.brightness, scaling_, images);
  } else {
    scale_batch(photos, plan.photo_of, options_.scale, images);
  }
}

}  // namespace ember
