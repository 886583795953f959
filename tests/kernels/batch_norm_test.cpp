#include "kernels/batch_norm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "nn/layer_cases.h"
#include "tests/kernels/reference.h"

namespace ember {
namespace {

Moments poisoned_moments(int64_t channels) { return {poisoned({channels}), poisoned({channels})}; }

/// Mean and biased variance of channel c, two passes in double.
std::pair<double, double> reference_moments(const std::vector<double>& x, size_t channels,
                                            size_t c) {
  const size_t count = x.size() / channels;
  const auto rows = static_cast<double>(count);
  double mean = 0;
  for (size_t i = c; i < x.size(); i += channels) mean += x[i] / rows;
  double variance = 0;
  for (size_t i = c; i < x.size(); i += channels) variance += (x[i] - mean) * (x[i] - mean) / rows;
  return {mean, variance};
}

}  // namespace

TEST_CASE("channel_moments equals two passes in double, whatever the mean and the shape") {
  for_each_device([] {
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
        const auto values = to_double(x);
        const auto means = to_double(moments.mean);
        const auto variances = to_double(moments.variance);
        for (size_t c = 0; c < means.size(); ++c) {
          const auto [mean, variance] = reference_moments(values, means.size(), c);
          REQUIRE(std::abs(means[c] - mean) <= 1e-6 * (1 + std::abs(mean)));
          REQUIRE(std::abs(variances[c] - variance) <= 1e-5 * variance);
        }
      }
    }
  });
}

TEST_CASE("channel_moments gives equal bytes in any order of threads") {
  for_each_device([] {
    const Tensor x = random_uniform({7, 30, 31, 40}, -1, 1, 1);
    require_equal_in_any_order([&] {
      Moments moments = poisoned_moments(40);
      channel_moments(x, moments);
      return std::vector{moments.mean, moments.variance};
    });
  });
}

TEST_CASE("batch_norm_fold follows its formulas") {
  for_each_device([] {
    for (int64_t channels : {1, 19, 1000}) {
      const Tensor gamma = random_uniform({channels}, -1, 2, 1);
      const Tensor beta = random_uniform({channels}, -1, 1, 2);
      const Moments batch{random_uniform({channels}, -3, 3, 3),
                          random_uniform({channels}, 0, 2, 4)};
      Moments moving{random_uniform({channels}, -3, 3, 5), random_uniform({channels}, 0, 2, 6)};
      const auto gammas = to_double(gamma);
      const auto betas = to_double(beta);
      const auto means = to_double(batch.mean);
      const auto variances = to_double(batch.variance);
      auto scale_expected = gammas;
      auto shift_expected = betas;
      auto mean_expected = to_double(moving.mean);
      auto variance_expected = to_double(moving.variance);
      for (size_t c = 0; c < gammas.size(); ++c) {
        scale_expected[c] = gammas[c] / std::sqrt(variances[c] + 1e-3);
        shift_expected[c] = betas[c] - means[c] * scale_expected[c];
        mean_expected[c] = 0.99 * mean_expected[c] + 0.01 * means[c];
        variance_expected[c] = 0.99 * variance_expected[c] + 0.01 * variances[c];
      }
      Tensor scale = poisoned({channels});
      Tensor shift = poisoned({channels});
      BatchNormFold fold{gamma, beta, batch, 1e-3f, scale, shift};
      batch_norm_fold({&fold, 1});
      CHECK(relative_l2(scale, scale_expected) < 2e-7);
      CHECK(relative_l2(shift, shift_expected) < 2e-7);
      Tensor scale_trained = poisoned({channels});
      Tensor shift_trained = poisoned({channels});
      BatchNormFold training{gamma,         beta,          batch,   1e-3f,
                             scale_trained, shift_trained, &moving, 0.99f};
      batch_norm_fold({&training, 1});
      CHECK(equal_bytes(scale_trained, scale));
      CHECK(equal_bytes(shift_trained, shift));
      CHECK(relative_l2(moving.mean, mean_expected) < 2e-7);
      CHECK(relative_l2(moving.variance, variance_expected) < 2e-7);
    }
  });
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

std::vector<double> channel_of(const Tensor& tensor, size_t c) {
  const auto values = to_double(tensor);
  std::vector<double> channel;
  for (size_t i = c; i < values.size(); i += static_cast<size_t>(tensor.dim(-1))) {
    channel.push_back(values[i]);
  }
  return channel;
}

}  // namespace

TEST_CASE("BatchNorm's gradients behind a ReLU6 are those of central differences") {
  for_each_device([] {
    for (float offset : {0.0f, 100.0f}) {
      for (int64_t channels : {1, 16, 21}) {
        CAPTURE(offset);
        CAPTURE(channels);
        const Shape shape{2, 3, 5, channels};
        const Tensor raw = random_uniform(shape, offset - 2, offset + 2, 1);
        const Tensor dz = random_uniform(shape, -1, 1, 2);
        // Many elements lie at each side of both kinks.
        const Tensor gamma = random_uniform({channels}, 2, 4, 3);
        const Tensor beta = random_uniform({channels}, 2, 4, 4);
        Moments moments = poisoned_moments(channels);
        channel_moments(raw, moments);
        Tensor scale = poisoned({channels});
        Tensor shift = poisoned({channels});
        BatchNormFold fold{gamma, beta, moments, 1e-3f, scale, shift};
        batch_norm_fold({&fold, 1});
        const Pending forward{scale.data(), shift.data(), 0.0f, 6.0f};
        Tensor dgamma = poisoned({channels});
        Tensor dbeta = poisoned({channels});
        BatchNormCoefficients dx_of{poisoned({channels}), poisoned({channels}),
                                    poisoned({channels})};
        batch_norm_backward(dz, {raw, forward, gamma, moments, 1e-3f, dgamma, dbeta, &dx_of});
        Tensor dx = poisoned(shape);
        materialize_gradient(
            dz, {raw.data(), forward, dx_of.a.data(), dx_of.b.data(), dx_of.c.data()}, dx);

        const auto gammas = to_double(gamma);
        const auto betas = to_double(beta);
        const auto dgammas = to_double(dgamma);
        const auto dbetas = to_double(dbeta);
        for (size_t k = 0; k < gammas.size(); ++k) {
          CAPTURE(k);
          std::vector<double> x = channel_of(raw, k);
          const std::vector<double> upstream = channel_of(dz, k);
          double gamma_at = gammas[k];
          double beta_at = betas[k];
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
          REQUIRE(relative_l2(channel_of(dx, k), dx_expected) < 2e-5);
          REQUIRE(std::abs(dgammas[k] - difference(gamma_at)) < 2e-4);
          REQUIRE(std::abs(dbetas[k] - difference(beta_at)) < 2e-4);
        }
      }
    }
  });
}

TEST_CASE("batch_norm_backward is exact on whole numbers and shuts both kinks out") {
  for_each_device([] {
    std::vector<Shape> shapes{{200, 1}, {200, 5}, {200, 16}, {200, 83}};
    for (const LayerCase& layer : layer_cases("BatchNormalization", 1)) shapes.push_back(layer.x);
    for (const Shape& shape : shapes) {
      CAPTURE(to_string(shape));
      const int64_t channels = shape[-1];
      const Tensor raw = random_integers(shape, -6, 6, 1);
      const Tensor dz = random_integers(raw.shape(), -5, 5, 2);
      const Tensor scale = random_integers({channels}, 1, 2, 3);
      const Tensor shift = random_integers({channels}, -2, 2, 4);
      const Moments moments{random_integers({channels}, -3, 3, 5), filled({channels}, 0.25f)};
      const auto raws = to_double(raw);
      const auto means = to_double(moments.mean);
      for (bool clip : {false, true}) {
        Pending forward{scale.data(), shift.data()};
        if (clip) {
          forward.lower = 0;
          forward.upper = 6;
        }
        Tensor dgamma = poisoned({channels});
        Tensor dbeta = poisoned({channels});
        batch_norm_backward(dz, {raw, forward, scale, moments, 0.0f, dgamma, dbeta, nullptr});
        // du: dz where the clip lets pass.
        const auto du = reference_pending_gradient(dz, {raw.data(), forward});
        std::vector<double> dgamma_expected(means.size());
        std::vector<double> dbeta_expected(means.size());
        for (size_t i = 0; i < du.size(); ++i) {
          const size_t c = i % means.size();
          dbeta_expected[c] += du[i];
          dgamma_expected[c] += du[i] * 2 * (raws[i] - means[c]);
        }
        CHECK(equal_values(dgamma, dgamma_expected));
        CHECK(equal_values(dbeta, dbeta_expected));
      }
    }
  });
}

TEST_CASE("batch_norm_backward adds up blocks accurately, equally in any order of threads") {
  for_each_device([] {
    const Shape shape{5, 40, 41, 24};
    const Tensor raw = random_uniform(shape, 9, 11, 1);
    const Tensor dz = random_uniform(shape, -1, 2, 2);
    Moments moments = poisoned_moments(24);
    channel_moments(raw, moments);
    Pending relu;
    relu.lower = 10;
    const auto raws = to_double(raw);
    const auto du = reference_pending_gradient(dz, {raw.data(), relu});
    const auto means = to_double(moments.mean);
    const auto variances = to_double(moments.variance);
    std::vector<double> dbeta_expected(24);
    std::vector<double> dgamma_expected(24);
    for (size_t i = 0; i < du.size(); ++i) {
      const size_t c = i % 24;
      dbeta_expected[c] += du[i];
      dgamma_expected[c] += du[i] * (raws[i] - means[c]) / std::sqrt(variances[c] + 1e-5);
    }
    require_equal_in_any_order([&] {
      Tensor dgamma = poisoned({24});
      Tensor dbeta = poisoned({24});
      batch_norm_backward(dz,
                          {raw, relu, moments.variance, moments, 1e-5f, dgamma, dbeta, nullptr});
      CHECK(relative_l2(dgamma, dgamma_expected) < 1e-6);
      CHECK(relative_l2(dbeta, dbeta_expected) < 1e-6);
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
  BatchNormFold misfit{gamma, gamma, good, 1e-3f, out, other};
  CHECK_THROWS_WITH_AS(batch_norm_fold({&misfit, 1}),
                       doctest::Contains("batch_norm_fold: shift (4)"), Error);
  misfit = {gamma, gamma, good, 1e-3f, out, out, &bad, 0.9f};
  CHECK_THROWS_WITH_AS(batch_norm_fold({&misfit, 1}),
                       doctest::Contains("batch_norm_fold: variance (4)"), Error);
  CHECK_THROWS_WITH_AS(
      batch_norm_backward(x, {Tensor::zeros({3, 3}), {}, gamma, good, 1e-3f, out, out, nullptr}),
      doctest::Contains("batch_norm_backward: dz (2, 3), raw (3, 3)"), Error);
  BatchNormCoefficients coefficients{out, out, other};
  CHECK_THROWS_WITH_AS(batch_norm_backward(x, {x, {}, gamma, good, 1e-3f, out, out, &coefficients}),
                       doctest::Contains("batch_norm_backward: c (4)"), Error);
}

}  // namespace ember
