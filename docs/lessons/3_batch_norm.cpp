#include "docs/lessons/3_batch_norm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <vector>

#include "kernels/batch_norm.h"
#include "kernels/pending.h"
#include "tensor/random.h"

namespace ember {
namespace {

using Numbers = std::vector<double>;

constexpr size_t kRows = 12;  // M, the elements of a channel
constexpr size_t kChannels = 3;
constexpr double kEpsilon = 1e-3;

/// x (12, 3) row by row, and per channel what it is scaled and shifted by.
struct Input {
  Numbers x, gamma, beta;
};

struct Statistics {
  Numbers mean, variance;
};

Statistics batch_statistics(const Numbers& x) {
  Statistics s{Numbers(kChannels), Numbers(kChannels)};
  for (size_t c = 0; c < kChannels; ++c) {
    for (size_t m = 0; m < kRows; ++m) s.mean[c] += x[m * kChannels + c] / kRows;
    for (size_t m = 0; m < kRows; ++m)
      s.variance[c] += std::pow(x[m * kChannels + c] - s.mean[c], 2) / kRows;
  }
  return s;
}

/// xhat = (x - mean) / sqrt(variance + epsilon)
Numbers normalised(const Numbers& x, const Statistics& s) {
  Numbers xhat(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i % kChannels;
    xhat[i] = (x[i] - s.mean[c]) / std::sqrt(s.variance[c] + kEpsilon);
  }
  return xhat;
}

/// z = gamma * xhat + beta
Numbers forward(const Input& in, const Statistics& s) {
  Numbers z = normalised(in.x, s);
  for (size_t i = 0; i < z.size(); ++i)
    z[i] = in.gamma[i % kChannels] * z[i] + in.beta[i % kChannels];
  return z;
}

/// Gradients from dz. With the statistics of the batch itself, moving one x moves the mean and the
/// variance too; moving statistics stay where they are.
Input backward(const Input& in, const Statistics& s, bool of_batch, const Numbers& dz) {
  const Numbers xhat = normalised(in.x, s);
  Input d{Numbers(in.x.size()), Numbers(kChannels), Numbers(kChannels)};
  for (size_t i = 0; i < dz.size(); ++i) {
    d.gamma[i % kChannels] += dz[i] * xhat[i];
    d.beta[i % kChannels] += dz[i];
  }
  for (size_t i = 0; i < dz.size(); ++i) {
    const size_t c = i % kChannels;
    double centred = dz[i];
    if (of_batch) centred -= d.beta[c] / kRows + xhat[i] * d.gamma[c] / kRows;
    d.x[i] = in.gamma[c] / std::sqrt(s.variance[c] + kEpsilon) * centred;
  }
  return d;
}

Tensor to_tensor(const Numbers& values, Shape shape) {
  Tensor tensor(shape);
  std::copy(values.begin(), values.end(), tensor.data());
  return tensor;
}

double largest_difference(const Numbers& a, std::span<const float> b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// Prints what the three ways come to, and says whether they agree. The loss of the check is the
/// sum of dz * z, whose gradient with respect to z is dz.
bool compare(const char* title, Input in, const Statistics& moving, bool of_batch) {
  const Philox random(1, Purpose::weights, 1);
  Numbers dz(in.x.size());
  for (size_t i = 0; i < dz.size(); ++i) dz[i] = random.uniform(i) - 0.5;
  const auto statistics = [&] { return of_batch ? batch_statistics(in.x) : moving; };
  const auto loss = [&] {
    const Numbers z = forward(in, statistics());
    double sum = 0;
    for (size_t i = 0; i < z.size(); ++i) sum += dz[i] * z[i];
    return sum;
  };
  const Input by_hand = backward(in, statistics(), of_batch, dz);

  // Ember's way: statistics, folded to scale and shift; sums, folded to a, b and c.
  const Shape whole{kRows, kChannels};
  const Shape channels{kChannels};
  const Tensor x = to_tensor(in.x, whole);
  const Tensor gamma = to_tensor(in.gamma, channels);
  const Tensor beta = to_tensor(in.beta, channels);
  Moments moments{to_tensor(moving.mean, channels), to_tensor(moving.variance, channels)};
  if (of_batch) channel_moments(x, moments);
  Tensor scale(channels), shift(channels);
  BatchNormCoefficients coefficients{Tensor(channels), Tensor(channels), Tensor(channels)};
  BatchNormFold fold{gamma, beta, moments, kEpsilon, scale, shift};
  batch_norm_fold({&fold, 1});
  const Pending pending{.scale = scale.data(), .shift = shift.data()};
  Tensor z(whole), dx(whole), dgamma(channels), dbeta(channels);
  materialize(x, pending, z);
  const Tensor dz_tensor = to_tensor(dz, whole);
  batch_norm_backward(dz_tensor, {x, pending, gamma, moments, kEpsilon, dgamma, dbeta,
                                  of_batch ? &coefficients : nullptr});
  PendingGradient gradient{.raw = x.data(), .forward = pending, .a = scale.data()};
  if (of_batch) {
    gradient.a = coefficients.a.data();
    gradient.b = coefficients.b.data();
    gradient.c = coefficients.c.data();
  }
  materialize_gradient(dz_tensor, gradient, dx);

  fmt::print("\n{}\n\n{:<8} {:>11} {:>11} {:>11} {:>11} {:>11}\n", title, "channel", "mean",
             "variance", "scale", "shift", "z[0]");
  for (size_t k = 0; k < kChannels; ++k) {
    fmt::print("{:<8} {:>11.5f} {:>11.5f} {:>11.5f} {:>11.5f} {:>11.5f}\n", k,
               moments.mean.data()[k], moments.variance.data()[k], scale.data()[k], shift.data()[k],
               z.data()[k]);
  }
  const double forward_error = largest_difference(forward(in, statistics()), z.values());
  bool right = forward_error < 1e-4;

  fmt::print("\n{:<8} {:>11} {:>11} {:>11} {:>14} {:>15}\n", "gradient", "by hand", "difference",
             "of Ember", "error by hand", "error of Ember");
  const auto row = [&](const char* name, const Numbers& hand, Numbers& values,
                       const Tensor& embers) {
    Numbers differences(values.size());
    constexpr double kStep = 1e-5;
    for (size_t i = 0; i < values.size(); ++i) {
      const double at = values[i];
      values[i] = at + kStep;
      const double above = loss();
      values[i] = at - kStep;
      differences[i] = (above - loss()) / (2 * kStep);
      values[i] = at;
    }
    double error = 0;
    for (size_t i = 0; i < values.size(); ++i)
      error = std::max(error, std::abs(hand[i] - differences[i]));
    const double ember_error = largest_difference(hand, embers.values());
    fmt::print("{:<8} {:>11.6f} {:>11.6f} {:>11.6f} {:>14.1e} {:>15.1e}\n", name, hand[0],
               differences[0], embers.data()[0], error, ember_error);
    right &= error < 1e-7 && ember_error < 1e-4;
  };
  row("dx", by_hand.x, in.x, dx);
  row("dgamma", by_hand.gamma, in.gamma, dgamma);
  row("dbeta", by_hand.beta, in.beta, dbeta);
  return right;
}

}  // namespace

void show_batch_norm() {
  Input in{Numbers(kRows * kChannels), {1, 2, 0.5}, {0, -1, 3}};
  const Philox random(1, Purpose::weights, 0);
  constexpr double kMean[] = {0, 5, -20};
  constexpr double kSpread[] = {1, 0.1, 10};
  for (size_t i = 0; i < in.x.size(); ++i) {
    const size_t c = i % kChannels;
    in.x[i] = static_cast<float>(kMean[c] + kSpread[c] * (2 * random.uniform(i) - 1));
  }
  fmt::print("BatchNorm of x (12, 3), three channels of different mean and spread\n");
  const bool training = compare("Training: the batch's own statistics", in, {}, true);
  const bool inference =
      compare("Inference: moving statistics", in, {{0.1, 4.9, -19}, {0.4, 0.004, 40}}, false);
  EMBER_REQUIRE(training && inference, "BatchNorm: the results of the three ways differ");
}

}  // namespace ember
