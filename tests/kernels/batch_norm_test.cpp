#include "kernels/batch_norm.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/kernels/testing.h"

namespace ember {
namespace {

Moments poisoned_moments(int64_t channels) { return {poisoned({channels}), poisoned({channels})}; }

/// Mean and biased variance of channel c, two passes in double.
std::pair<double, double> reference_moments(const Tensor& x, int64_t c) {
  const int64_t channels = x.dim(-1);
  const int64_t rows = x.size() / channels;
  double mean = 0;
  for (int64_t r = 0; r < rows; ++r) mean += x.data()[r * channels + c];
  mean /= static_cast<double>(rows);
  double variance = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const double difference = x.data()[r * channels + c] - mean;
    variance += difference * difference;
  }
  return {mean, variance / static_cast<double>(rows)};
}

}  // namespace

TEST_CASE("channel_moments equals two passes in double, whatever the mean and the shape") {
  for_each_target([] {
    for (const Shape& shape :
         {Shape{1, 1, 1, 1}, Shape{5000, 1}, Shape{3, 7, 5, 3}, Shape{2, 9, 9, 24}, Shape{4100, 17},
          Shape{700, 100}, Shape{3, 20000}, Shape{2, 5, 5, 960}}) {
      CAPTURE(to_string(shape));
      for (float offset : {0.0f, -3.0f, 1e4f}) {
        CAPTURE(offset);
        // Standard deviation 1.
        const float half = std::sqrt(3.0f);
        const Tensor x = random_uniform(shape, offset - half, offset + half, 5);
        Moments moments = poisoned_moments(shape[-1]);
        channel_moments(x, moments);
        for (int64_t c = 0; c < shape[-1]; ++c) {
          const auto [mean, variance] = reference_moments(x, c);
          REQUIRE(std::abs(moments.mean.data()[c] - mean) <= 1e-6 * (1 + std::abs(mean)));
          REQUIRE(std::abs(moments.variance.data()[c] - variance) <= 1e-5 * variance);
        }
      }
    }
  });
}
}  // namespace ember
