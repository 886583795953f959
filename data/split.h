#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/classes.h"

namespace ember {

/// `count` indices drawn with replacement from [0, population):
/// `sklearn.utils.resample(arange(population), n_samples=count, random_state=seed)`.
std::vector<int64_t> resample(int64_t population, int64_t count, uint32_t seed);

struct TrainTestSplit {
  std::vector<int64_t> train;
  std::vector<int64_t> test;
};

/// `sklearn.model_selection.train_test_split(arange(count), test_size=test_size,
/// random_state=seed)`: ceil(test_size * count) indices for the test. Throws Error(data) when a
/// side would be empty.
TrainTestSplit train_test_split(int64_t count, double test_size, uint32_t seed);

/// Balances the classes: for each class in turn, as many of its rows, drawn with replacement, as
/// the largest class has. Returns positions in `labels`. Each class draws from a fresh state of the
/// same seed, as separate calls of scikit-learn's `resample` do. Throws Error(data) for a class
/// without rows.
std::vector<int64_t> oversample(std::span<const int32_t> labels, const Classes& classes,
                                uint32_t seed);

struct Split {
  std::vector<int64_t> train;
  std::vector<int64_t> validation;
  std::vector<int64_t> test;
};

/// The study's partition of [0, count): 70 % for training, the rest halved into validation and
/// test, both cuts with seed 42.
Split split_rows(int64_t count);

}  // namespace ember
