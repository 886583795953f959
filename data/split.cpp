#include "data/split.h"

#include <algorithm>
#include <cmath>

#include "data/mt19937.h"
#include "tensor/error.h"

namespace ember {

std::vector<int64_t> resample(int64_t population, int64_t count, uint32_t seed) {
  EMBER_REQUIRE(population > 0 && count >= 0, "resample {} of {}", count, population);
  return RandomState(seed).randint(population, count);
}

TrainTestSplit train_test_split(int64_t count, double test_size, uint32_t seed) {
  const auto test_count = static_cast<int64_t>(std::ceil(test_size * static_cast<double>(count)));
  if (test_count < 1 || test_count >= count) {
    fail(ExitCode::data, "{} rows are too few to split off {} of them; add photos", count,
         test_size);
  }
  const auto order = RandomState(seed).permutation(count);
  return {{order.begin() + test_count, order.end()}, {order.begin(), order.begin() + test_count}};
}

std::vector<int64_t> oversample(std::span<const int32_t> labels, const Classes& classes,
                                uint32_t seed) {
  std::vector<std::vector<int64_t>> positions(classes.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    positions.at(static_cast<size_t>(labels[i])).push_back(static_cast<int64_t>(i));
  }
  size_t largest = 0;
  for (size_t k = 0; k < classes.size(); ++k) {
    if (positions[k].empty()) {
      fail(ExitCode::data, "class {} has no rows; leave it out of the classes", classes[k]);
    }
    largest = std::max(largest, positions[k].size());
  }
  std::vector<int64_t> balanced;
  balanced.reserve(largest * classes.size());
  for (const auto& own : positions) {
    const auto population = static_cast<int64_t>(own.size());
    for (int64_t draw : resample(population, static_cast<int64_t>(largest), seed)) {
      balanced.push_back(own[static_cast<size_t>(draw)]);
    }
  }
  return balanced;
}

Split split_rows(int64_t count) {
  constexpr uint32_t kSeed = 42;
  const auto pick = [](const std::vector<int64_t>& from, const std::vector<int64_t>& positions) {
    std::vector<int64_t> picked;
    picked.reserve(positions.size());
    for (int64_t position : positions) picked.push_back(from[static_cast<size_t>(position)]);
    return picked;
  };
  auto outer = train_test_split(count, 0.3, kSeed);
  const auto inner = train_test_split(static_cast<int64_t>(outer.test.size()), 0.5, kSeed);
  return {std::move(outer.train), pick(outer.test, inner.train), pick(outer.test, inner.test)};
}

}  // namespace ember
