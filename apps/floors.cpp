#include "apps/floors.h"

#include <cmath>

#include "apps/loader_source.h"
#include "data/crop.h"
#include "nn/dense.h"
#include "nn/flatten.h"

namespace ember {
namespace {

constexpr int64_t kSide = 24;
constexpr int kEpochs = 30;

}  // namespace

Dataset thumbnails_of(const Dataset& dataset) {
  Dataset small = dataset;
  const ByteTensor& pixels = dataset.photos.pixels;
  small.photos.pixels = ByteTensor({pixels.dim(0), kSide, kSide, 3});
  const Box whole{0, 0, static_cast<int>(pixels.dim(2)), static_cast<int>(pixels.dim(1))};
  for (int64_t i = 0; i < pixels.dim(0); ++i) {
    ByteTensor thumbnail = small.photos.pixels.rows(i, i + 1).reshape({kSide, kSide, 3});
    resize_crop(pixels.rows(i, i + 1).reshape(dataset.image_shape()), whole, thumbnail);
  }
  return small;
}

TestResult majority_floor(const Dataset& dataset, const Split& split) {
  std::vector<float> shares(dataset.classes.size());
  for (const int64_t row : split.train) {
    shares[static_cast<size_t>(dataset.labels[static_cast<size_t>(row)])] +=
        1 / static_cast<float>(split.train.size());
  }
  TestResult result;
  result.rows = split.test;
  for (const int64_t row : split.test) {
    result.labels.push_back(dataset.labels[static_cast<size_t>(row)]);
    result.probabilities.insert(result.probabilities.end(), shares.begin(), shares.end());
    result.loss -= std::log(std::max(shares[static_cast<size_t>(result.labels.back())], 1e-7f)) /
                   static_cast<double>(split.test.size());
  }
  return result;
}

TestResult thumbnail_floor(const Dataset& thumbnails, const Split& split, uint64_t seed) {
  Model model("thumbnails", {kSide, kSide, 3});
  model.add(Flatten("flatten"));
  model.add(Dense("dense", static_cast<int64_t>(thumbnails.classes.size())));
  model.initialize(seed);
  LoaderSource training(thumbnails, split.train, {.augmentation = {}, .seed = seed});
  Adam adam(model, {.learning_rate = 1e-3});
  fit(model, adam, training, nullptr, {.stage = "thumbnails", .epochs = kEpochs, .seed = seed}, {});
  LoaderSource tested(thumbnails, split.test, {.shuffle = false, .augmentation = {}});
  Evaluation evaluation = evaluate(model, tested);
  const auto probabilities = evaluation.probabilities.values();
  return {split.test,
          std::move(evaluation.labels),
          {probabilities.begin(), probabilities.end()},
          evaluation.loss};
}

}  // namespace ember
