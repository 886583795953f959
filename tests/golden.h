#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>

#include "tensor/safetensors.h"

/// What tests against the outside world share: golden files, how far a result may be from them, and
/// photos and weights that are too large to be committed.
namespace ember {

inline std::filesystem::path golden_folder() {
  return std::filesystem::path(EMBER_SOURCE_DIR) / "tests/golden";
}

/// tests/golden/NAME.safetensors.
inline SafetensorsFile golden_file(const std::string& name) {
  return SafetensorsFile(golden_folder() / (name + ".safetensors"));
}

/// Checks every element of `actual`, a range of numbers, against golden tensor `name`, within the
/// tolerance that the file states for it (tests/golden/README.md).
template <typename Range>
void check_golden(const SafetensorsFile& file, const std::string& name, const Range& actual) {
  const std::vector<double> expected = file.doubles(name);
  const auto tolerance = file.metadata().find("tolerance:" + name);
  INFO(file.path().filename().string() << ": " << name);
  REQUIRE(tolerance != file.metadata().end());
  REQUIRE(std::size(actual) == expected.size());

  double max_difference = 0;
  double max_relative = 0;
  double sum_differences = 0;
  double sum_expected = 0;
  bool any_nan = false;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(static_cast<double>(actual[i]) - expected[i]);
    any_nan |= std::isnan(difference);
    max_difference = std::max(max_difference, difference);
    max_relative = std::max(max_relative, difference / std::abs(expected[i]));
    sum_differences += difference * difference;
    sum_expected += expected[i] * expected[i];
  }
  REQUIRE_FALSE(any_nan);

  std::istringstream words(tolerance->second);
  std::string kind;
  double limit = 0;
  words >> kind >> limit;
  if (kind == "equal") {
    CHECK(max_difference == 0);
  } else if (kind == "max_abs") {
    CHECK(max_difference <= limit);
  } else if (kind == "max_rel") {
    CHECK(max_relative <= limit);
  } else if (kind == "norm") {
    CHECK(max_difference <= limit * expected[0]);
  } else {
    REQUIRE(kind == "rel_l2");
    CHECK(std::sqrt(sum_differences) <= limit * std::sqrt(sum_expected));
  }
}

/// The same for a tensor, whose shape must be the golden one's too.
template <typename T>
void check_golden(const SafetensorsFile& file, const std::string& name, const TensorOf<T>& actual) {
  INFO(file.path().filename().string() << ": " << name << to_string(actual.shape()));
  REQUIRE(actual.shape() == file.shape(name));
  check_golden(file, name, actual.values());
}

/// A photo, folder or weights file below the folder that the environment variable
/// EMBER_TEST_ASSETS names. Without it the test says that it was skipped:
///
///     const auto photos = test_asset("data/face-mask-detection");
///     if (!photos) return;
inline std::optional<std::filesystem::path> test_asset(const std::string& name) {
  const char* folder = std::getenv("EMBER_TEST_ASSETS");
  if (folder != nullptr && *folder != '\0') {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    REQUIRE_MESSAGE(std::filesystem::exists(path), path.string() << " is missing");
    return path;
  }
  MESSAGE("skipped: needs " << name << " in the folder that EMBER_TEST_ASSETS names");
  return std::nullopt;
}

}  // namespace ember
