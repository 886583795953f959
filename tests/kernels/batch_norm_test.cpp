#include "kernels/batch_norm.h"

#include <doctest/doctest.h>

#include <algorithm>
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

TEST_CASE("channel_moments gives equal bytes for any number of threads") {
  const Tensor x = random_uniform({7, 30, 31, 40}, -1, 1, 1);
  require_equal_for_any_threads([&] {
    Moments moments = poisoned_moments(40);
    channel_moments(x, moments);
    return std::vector{moments.mean, moments.variance};
  });
}

TEST_CASE("batch_norm_fold and batch_norm_update_moving follow their formulas") {
  const int64_t channels = 19;
  const Tensor gamma = random_uniform({channels}, -1, 2, 1);
  const Tensor beta = random_uniform({channels}, -1, 1, 2);
  const Moments batch{random_uniform({channels}, -3, 3, 3), random_uniform({channels}, 0, 2, 4)};
  Tensor scale = poisoned({channels});
  Tensor shift = poisoned({channels});
  batch_norm_fold(gamma, beta, batch, 1e-3f, scale, shift);
  Moments moving{random_uniform({channels}, -3, 3, 5), random_uniform({channels}, 0, 2, 6)};
  const Tensor mean_before = moving.mean.clone();
  const Tensor variance_before = moving.variance.clone();
  batch_norm_update_moving(batch, 0.99f, moving);
  for (int64_t c = 0; c < channels; ++c) {
    const double factor = gamma.data()[c] / std::sqrt(batch.variance.data()[c] + 1e-3);
    CHECK(scale.data()[c] == doctest::Approx(factor).epsilon(1e-6));
    CHECK(shift.data()[c] ==
          doctest::Approx(beta.data()[c] - batch.mean.data()[c] * factor).epsilon(1e-6));
    CHECK(
        moving.mean.data()[c] ==
        doctest::Approx(0.99 * mean_before.data()[c] + 0.01 * batch.mean.data()[c]).epsilon(1e-6));
    CHECK(moving.variance.data()[c] ==
          doctest::Approx(0.99 * variance_before.data()[c] + 0.01 * batch.variance.data()[c])
              .epsilon(1e-6));
  }
}

namespace {

/// BatchNorm with batch statistics and ReLU6 in double: one channel, `x` its elements.
std::vector<double> reference_forward(const std::vector<double>& x, double gamma, double beta) {
  double mean = 0;
  for (double value : x) mean += value / static_cast<double>(x.size());
  double variance = 0;
  for (double value : x)
    variance += (value - mean) * (value - mean) / static_cast<double>(x.size());
  std::vector<double> z;
  for (double value : x) {
    const double u = gamma * (value - mean) / std::sqrt(variance + 1e-3) + beta;
    z.push_back(std::clamp(u, 0.0, 6.0));
  }
  return z;
}

}  // namespace

TEST_CASE("BatchNorm's gradients behind a ReLU6 are those of central differences") {
  for_each_target([] {
    for (float offset : {0.0f, 100.0f}) {
      for (int64_t channels : {1, 16, 21}) {
        CAPTURE(offset);
        CAPTURE(channels);
        const Shape shape{2, 3, 5, channels};
        const int64_t rows = 30;
        const Tensor raw = random_uniform(shape, offset - 2, offset + 2, 1);
        const Tensor dz = random_uniform(shape, -1, 1, 2);
        // Many elements lie at each side of both kinks.
        const Tensor gamma = random_uniform({channels}, 2, 4, 3);
        const Tensor beta = random_uniform({channels}, 2, 4, 4);
        Moments moments = poisoned_moments(channels);
        channel_moments(raw, moments);
        Tensor scale = poisoned({channels});
        Tensor shift = poisoned({channels});
        batch_norm_fold(gamma, beta, moments, 1e-3f, scale, shift);
        const Pending forward{scale.data(), shift.data(), 0.0f, 6.0f};
        Tensor dgamma = poisoned({channels});
        Tensor dbeta = poisoned({channels});
        batch_norm_backward_sums(dz, raw, forward, moments, 1e-3f, dgamma, dbeta);
        Tensor a = poisoned({channels});
        Tensor b = poisoned({channels});
        Tensor c = poisoned({channels});
        batch_norm_backward_coefficients(gamma, moments, 1e-3f, dgamma, dbeta, rows, a, b, c);
        Tensor dx = poisoned(shape);
        materialize_gradient(dz, {raw.data(), forward, a.data(), b.data(), c.data()}, dx);

        for (int64_t k = 0; k < channels; ++k) {
          CAPTURE(k);
          std::vector<double> x;
          std::vector<double> upstream;
          std::vector<float> dx_channel;
          for (int64_t r = 0; r < rows; ++r) {
            x.push_back(raw.data()[r * channels + k]);
            upstream.push_back(dz.data()[r * channels + k]);
            dx_channel.push_back(dx.data()[r * channels + k]);
          }
          double gamma_at = gamma.data()[k];
          double beta_at = beta.data()[k];
          const auto difference = [&](double& at) {
            constexpr double kStep = 1e-6;
            const double middle = at;
            double change = 0;
            for (double sign : {1.0, -1.0}) {
              at = middle + sign * kStep;
              const auto z = reference_forward(x, gamma_at, beta_at);
              for (size_t i = 0; i < z.size(); ++i) change += sign * z[i] * upstream[i];
            }
            at = middle;
            return change / (2 * kStep);
          };
          std::vector<double> dx_expected;
          dx_expected.reserve(x.size());
          for (double& element : x) dx_expected.push_back(difference(element));
          REQUIRE(relative_l2(dx_channel, dx_expected) < 2e-5);
          REQUIRE(std::abs(dgamma.data()[k] - difference(gamma_at)) < 2e-4);
          REQUIRE(std::abs(dbeta.data()[k] - difference(beta_at)) < 2e-4);
        }
      }
    }
  });
}

TEST_CASE("batch_norm_backward_sums is exact on whole numbers and shuts both kinks out") {
  for_each_target([] {
    for (int64_t channels : {1, 5, 16, 83}) {
      const Tensor raw = random_integers({200, channels}, -6, 6, 1);
      const Tensor dz = random_integers(raw.shape(), -5, 5, 2);
      const Tensor scale = random_integers({channels}, 1, 2, 3);
      const Tensor shift = random_integers({channels}, -2, 2, 4);
      const Moments moments{random_integers({channels}, -3, 3, 5),
                            Tensor::filled({channels}, 0.25f)};
      for (bool clip : {false, true}) {
        Pending forward{scale.data(), shift.data()};
        if (clip) {
          forward.lower = 0;
          forward.upper = 6;
        }
        Tensor dgamma = poisoned({channels});
        Tensor dbeta = poisoned({channels});
        batch_norm_backward_sums(dz, raw, forward, moments, 0.0f, dgamma, dbeta);
        Tensor dgamma_expected = Tensor::zeros({channels});
        Tensor dbeta_expected = Tensor::zeros({channels});
        for (int64_t i = 0; i < raw.size(); ++i) {
          const int64_t c = i % channels;
          const float u = scale.data()[c] * raw.data()[i] + shift.data()[c];
          if (clip && (u <= 0 || u >= 6)) continue;
          dbeta_expected.data()[c] += dz.data()[i];
          dgamma_expected.data()[c] += dz.data()[i] * 2 * (raw.data()[i] - moments.mean.data()[c]);
        }
        CHECK(equal_bytes(dgamma, dgamma_expected));
        CHECK(equal_bytes(dbeta, dbeta_expected));
      }
    }
  });
}

TEST_CASE("batch_norm_backward_sums adds up blocks accurately, equally for any number of threads") {
  const Shape shape{5, 40, 41, 24};
  const Tensor raw = random_uniform(shape, 9, 11, 1);
  const Tensor dz = random_uniform(shape, -1, 2, 2);
  Moments moments = poisoned_moments(24);
  channel_moments(raw, moments);
  Pending relu;
  relu.lower = 10;
  std::vector<double> dbeta_expected(24);
  std::vector<double> dgamma_expected(24);
  for (int64_t i = 0; i < raw.size(); ++i) {
    if (raw.data()[i] <= 10) continue;
    const int64_t c = i % 24;
    dbeta_expected[static_cast<size_t>(c)] += dz.data()[i];
    dgamma_expected[static_cast<size_t>(c)] += dz.data()[i] *
                                               (double{raw.data()[i]} - moments.mean.data()[c]) /
                                               std::sqrt(moments.variance.data()[c] + 1e-5);
  }
  for_each_target([&] {
    require_equal_for_any_threads([&] {
      Tensor dgamma = poisoned({24});
      Tensor dbeta = poisoned({24});
      batch_norm_backward_sums(dz, raw, relu, moments, 1e-5f, dgamma, dbeta);
      CHECK(relative_l2(dgamma.values(), dgamma_expected) < 1e-6);
      CHECK(relative_l2(dbeta.values(), dbeta_expected) < 1e-6);
      return std::vector{dgamma, dbeta};
    });
  });
}

TEST_CASE("batch_norm names what does not fit") {
  const Tensor x = Tensor::zeros({2, 3});
  const Tensor gamma = Tensor::zeros({3});
  Tensor other = Tensor::zeros({4});
  Tensor out = Tensor::zeros({3});
  Moments good{Tensor::zeros({3}), Tensor::zeros({3})};
  Moments bad{Tensor::zeros({3}), Tensor::zeros({4})};
  CHECK_THROWS_WITH_AS(channel_moments(x, bad),
                       doctest::Contains("channel_moments: variance (4), but the channels are (3)"),
                       Error);
  CHECK_THROWS_WITH_AS(batch_norm_fold(gamma, gamma, good, 1e-3f, out, other),
                       doctest::Contains("batch_norm_fold: shift (4)"), Error);
  CHECK_THROWS_WITH_AS(batch_norm_update_moving(good, 0.9f, bad),
                       doctest::Contains("batch_norm_update_moving: variance (4)"), Error);
  CHECK_THROWS_WITH_AS(
      batch_norm_backward_sums(x, Tensor::zeros({3, 3}), {}, good, 1e-3f, out, out),
      doctest::Contains("batch_norm_backward_sums: dz (2, 3), raw (3, 3)"), Error);
  CHECK_THROWS_WITH_AS(
      batch_norm_backward_coefficients(gamma, good, 1e-3f, gamma, gamma, 2, out, out, other),
      doctest::Contains("batch_norm_backward_coefficients: c (4)"), Error);
}

}  // namespace ember
