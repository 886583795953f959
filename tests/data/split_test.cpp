#include "data/split.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include "data/mt19937.h"
#include "tests/data/testing.h"
#include "tests/golden.h"

namespace ember {
namespace {

/// The number after `key` in a golden name such as "resample/seed_2/from_7_to_20".
int64_t number_after(const std::string& name, const std::string& key) {
  const size_t start = name.find(key);
  REQUIRE(start != std::string::npos);
  return std::stoll(name.substr(start + key.size()));
}

uint32_t seed_of(const std::string& name) {
  return static_cast<uint32_t>(number_after(name, "seed_"));
}

void append(std::vector<int64_t>& to, const std::vector<int64_t>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// The study's balanced labels: 3232 rows of each class, one class after the other.
std::vector<int32_t> study_labels() {
  std::vector<int32_t> labels;
  for (int32_t k = 0; k < 3; ++k) labels.insert(labels.end(), 3232, k);
  return labels;
}

TEST_CASE("RandomState draws as numpy's does") {
  const auto golden = golden_file("sampling");
  for (const std::string& name : golden.names()) {
    if (name.starts_with("randint/")) {
      check_golden(golden, name,
                   RandomState(seed_of(name)).randint(number_after(name, "bound_"), 20));
    } else if (name.starts_with("permutation/")) {
      check_golden(golden, name,
                   RandomState(seed_of(name)).permutation(number_after(name, "size_")));
    } else if (name.starts_with("shuffle/")) {
      std::vector<int64_t> values(static_cast<size_t>(number_after(name, "size_")));
      for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int64_t>(10 * i);
      RandomState(seed_of(name)).shuffle(values);
      check_golden(golden, name, values);
    }
  }
}

TEST_CASE("one RandomState goes on from call to call as numpy's does") {
  RandomState state(7);
  std::vector<int64_t> drawn;
  append(drawn, state.randint(10, 5));
  append(drawn, state.permutation(7));
  append(drawn, state.randint(int64_t{1} << 40, 3));
  append(drawn, state.randint(3, 4));
  append(drawn, state.permutation(4));
  append(drawn, state.randint(1, 2));
  append(drawn, state.randint(1000, 5));
  check_golden(golden_file("sampling"), "sequence/seed_7", drawn);
}

TEST_CASE("resample and train_test_split equal scikit-learn's") {
  const auto golden = golden_file("sampling");
  for (const std::string& name : golden.names()) {
    if (name.starts_with("resample/")) {
      check_golden(
          golden, name,
          resample(number_after(name, "from_"), number_after(name, "_to_"), seed_of(name)));
    } else if (name.starts_with("split/") && name.ends_with("/train")) {
      const double test_size = std::stod(name.substr(name.find("test_") + 5));
      const auto split = train_test_split(number_after(name, "size_"), test_size, seed_of(name));
      check_golden(golden, name, split.train);
      check_golden(golden, name.substr(0, name.rfind('/')) + "/test", split.test);
    }
  }
}

TEST_CASE("the study's oversampling and split equal scikit-learn's") {
  const auto golden = golden_file("sampling");
  std::vector<int32_t> labels;  // in turn, so that positions within a class are not positions
  std::array<std::vector<int64_t>, 3> positions;
  std::array<int, 3> left{3232, 717, 123};
  while (left[0] > 0) {
    for (int32_t k = 0; k < 3; ++k) {
      if (left[static_cast<size_t>(k)]-- <= 0) continue;
      positions[static_cast<size_t>(k)].push_back(static_cast<int64_t>(labels.size()));
      labels.push_back(k);
    }
  }
  for (const uint32_t seed : {1u, 2u}) {
    const auto balanced = oversample(labels, {"a", "b", "c"}, seed);
    REQUIRE(balanced.size() == 9696);
    for (size_t k = 0; k < 3; ++k) {
      std::vector<int64_t> within;
      for (size_t i = k * 3232; i < (k + 1) * 3232; ++i) {
        const auto& own = positions[k];
        within.push_back(std::find(own.begin(), own.end(), balanced[i]) - own.begin());
      }
      check_golden(golden, fmt::format("study/seed_{}/resample/class_{}", seed, k), within);
    }
  }

  const Split split = split_rows(9696);
  check_golden(golden, "study/train", split.train);
  check_golden(golden, "study/validation", split.validation);
  check_golden(golden, "study/test", split.test);
  const auto balanced_labels = study_labels();
  std::array<int, 3> supports{};
  for (int64_t row : split.test) {
    ++supports[static_cast<size_t>(balanced_labels[static_cast<size_t>(row)])];
  }
  CHECK(supports == std::array{471, 484, 500});
}

TEST_CASE("a split takes every row once") {
  for (const int64_t count : {4, 10, 101}) {
    const Split split = split_rows(count);
    std::vector<int64_t> all = split.train;
    append(all, split.validation);
    append(all, split.test);
    std::sort(all.begin(), all.end());
    std::vector<int64_t> expected(static_cast<size_t>(count));
    std::iota(expected.begin(), expected.end(), int64_t{0});
    CHECK(all == expected);
  }
}

TEST_CASE("too few rows and empty classes are refused") {
  check_error(ExitCode::data, {"1 rows are too few"}, [] { split_rows(1); });
  check_error(ExitCode::data, {"too few"}, [] { split_rows(2); });
  check_error(ExitCode::data, {"class b has no rows"}, [] {
    oversample(std::vector<int32_t>{0, 2}, {"a", "b", "c"}, 1);
  });
}

}  // namespace
}  // namespace ember
