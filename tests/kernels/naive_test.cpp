#include "kernels/naive/naive.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "kernels/conv2d.h"
#include "kernels/depthwise_conv2d.h"
#include "kernels/matmul.h"
#include "tests/kernels/testing.h"

/// The naive kernels agree with the fast ones, to the bit on whole numbers.
namespace ember {
namespace {

template <typename Body>
void for_each_gpu(const Body& body) {
  for_each_device([&] {
    if (test_device == Device::cuda) body();
  });
}

}  // namespace

TEST_CASE("the naive matrix product is the fast one") {
  for_each_gpu([] {
    for (const auto& [m, n, k] : {std::array{1, 1, 1}, {33, 17, 65}, {36, 40, 32}}) {
      const Tensor a = random_integers({m, k}, -4, 4, 1);
      const Tensor b = random_integers({k, n}, -4, 4, 2);
      Tensor fast = poisoned({m, n});
      matmul(a, b, fast);
      Tensor slow = poisoned({m, n});
      cuda::naive::matmul(a, b, slow);
      CHECK(equal_bytes(slow, fast));
    }
  });
}

TEST_CASE("the naive convolution is the fast one") {
  for_each_gpu([] {
    const Window window{2, 1, {1, 0, 2, 1}};
    const Tensor x = random_integers({2, 9, 7, 5}, -4, 4, 1);
    const Tensor weight = random_integers({6, 3, 2, 5}, -3, 3, 2);
    const Tensor bias = random_integers({6}, -9, 9, 3);
    const Shape shape = conv2d_output_shape(x.shape(), weight.shape(), window);
    for (const Tensor& used_bias : {Tensor(), bias}) {
      Tensor fast = poisoned(shape);
      conv2d_forward(x, {}, weight, used_bias, window, fast, {});
      Tensor slow = poisoned(shape);
      cuda::naive::conv2d_forward(x, weight, used_bias, window, slow);
      CHECK(equal_bytes(slow, fast));
    }
  });
}

TEST_CASE("the naive depthwise convolution is the fast one") {
  for_each_gpu([] {
    for (const Window& window : {Window{1, 1, Padding::all(1)}, Window{2, 2, {0, 1, 0, 1}}}) {
      const Tensor x = random_integers({2, 8, 6, 20}, -4, 4, 1);
      const Tensor weight = random_integers({3, 3, 20}, -3, 3, 2);
      const Shape shape = depthwise_conv2d_output_shape(x.shape(), weight.shape(), window);
      Tensor fast = poisoned(shape);
      depthwise_conv2d_forward(x, {}, weight, window, fast, {});
      Tensor slow = poisoned(shape);
      cuda::naive::depthwise_conv2d_forward(x, weight, window, slow);
      CHECK(equal_bytes(slow, fast));
    }
  });
}

TEST_CASE("the naive BatchNorm follows its formula") {
  for_each_gpu([] {
    constexpr size_t kRows = 150;
    constexpr size_t kChannels = 12;
    constexpr float kEpsilon = 1e-3f;
    const Tensor x = random_uniform({kRows, kChannels}, -1, 3, 1);
    const Tensor gamma = random_uniform({kChannels}, 0.5f, 2, 2);
    const Tensor beta = random_uniform({kChannels}, -1, 1, 3);
    const auto values = to_double(x);
    const auto scales = to_double(gamma);
    const auto shifts = to_double(beta);
    std::vector<double> expected(values.size());
    for (size_t c = 0; c < kChannels; ++c) {
      double mean = 0;
      for (size_t i = c; i < values.size(); i += kChannels) mean += values[i] / kRows;
      double variance = 0;
      for (size_t i = c; i < values.size(); i += kChannels) {
        variance += (values[i] - mean) * (values[i] - mean) / kRows;
      }
      for (size_t i = c; i < values.size(); i += kChannels) {
        expected[i] = scales[c] * (values[i] - mean) / std::sqrt(variance + kEpsilon) + shifts[c];
      }
    }
    Tensor y = poisoned(x.shape());
    cuda::naive::batch_norm_forward(x, gamma, beta, kEpsilon, y);
    CHECK(relative_l2(y, expected) < 1e-6);
  });
}

}  // namespace ember
