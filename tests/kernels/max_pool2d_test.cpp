#include "kernels/max_pool2d.h"

#include <doctest/doctest.h>

#include "nn/layer_cases.h"
#include "tests/kernels/reference.h"

namespace ember {
namespace {

struct Case {
  Shape x;
  int size;
};

std::vector<Case> cases() {
  std::vector<Case> all{{{2, 4, 6, 16}, 2},  {{1, 5, 7, 3}, 2},   {{2, 9, 10, 35}, 3},
                        {{1, 1, 1, 1}, 1},   {{1, 3, 2, 1}, 2},   {{1, 17, 33, 5}, 16},
                        {{1, 4, 4, 300}, 2}, {{1, 2, 2, 1100}, 2}};
  for (const LayerCase& layer : layer_cases("MaxPooling2D", 1)) {
    all.push_back({layer.x, layer.window.stride_h});
  }
  return all;
}

}  // namespace

TEST_CASE("max_pool2d takes the first maximum of the transformed window and sends dy there") {
  for_each_device([] {
    for (const Case& c : cases()) {
      CAPTURE(to_string(c.x));
      const Shape pooled = max_pool2d_output_shape(c.x, c.size);
      const int64_t channels = c.x[3];
      const Tensor x = random_integers(c.x, -3, 3, 1);  // few values, so that maxima repeat
      const Tensor scale = random_integers({channels}, -2, 2, 2);
      const Tensor shift = random_integers({channels}, -1, 1, 3);
      const Pending pending{scale.data(), shift.data(), 0.0f, 4.0f};
      const Tensor dy = random_integers(pooled, 1, 9, 4);
      Tensor y = poisoned(pooled);
      ByteTensor choice = on_device(ByteTensor::filled(pooled, 255));
      max_pool2d_forward(x, pending, c.size, y, choice);
      Tensor dx = poisoned(c.x);
      max_pool2d_backward(dy, {.choice = choice.data(), .pool_size = c.size}, dx);

      const auto z = reference_pending(x, pending);
      const auto gradient = to_double(dy);
      std::vector<double> y_expected;
      std::vector<double> dx_expected(static_cast<size_t>(c.x.size()));
      const ByteTensor choices = choice.to(Device::cpu);
      for (int64_t i = 0; i < pooled.size(); ++i) {
        const int64_t k = i % channels;
        const int64_t ow = i / channels % pooled[2];
        const int64_t oh = i / channels / pooled[2] % pooled[1];
        const int64_t n = i / channels / pooled[2] / pooled[1];
        double best = -1;
        int best_at = -1;
        size_t best_index = 0;
        for (int at = 0; at < c.size * c.size; ++at) {
          const int64_t h = oh * c.size + at / c.size;
          const int64_t w = ow * c.size + at % c.size;
          const auto index = static_cast<size_t>(((n * c.x[1] + h) * c.x[2] + w) * channels + k);
          if (z[index] > best) {
            best = z[index];
            best_at = at;
            best_index = index;
          }
        }
        y_expected.push_back(best);
        REQUIRE(choices.data()[i] == best_at);
        dx_expected[best_index] = gradient[static_cast<size_t>(i)];
      }
      CHECK(equal_values(y, y_expected));
      CHECK(equal_values(dx, dx_expected));
    }
  });
}

TEST_CASE("max_pool2d_forward lets a NaN through, also behind a ReLU") {
  for_each_device([] {
    for (int at = 0; at < 4; ++at) {
      CAPTURE(at);
      Tensor values = Tensor::filled({1, 2, 2, 3}, 1.5f);
      values.data()[at * 3 + 1] = std::numeric_limits<float>::quiet_NaN();
      const Tensor x = on_device(values);
      Tensor y = filled({1, 1, 1, 3}, 0);
      ByteTensor choice = on_device(ByteTensor::filled(y.shape(), 255));
      Pending relu;
      relu.lower = 0;
      max_pool2d_forward(x, relu, 2, y, choice);
      CHECK(choice.to(Device::cpu).data()[1] == at);
      const auto maxima = to_double(y);
      CHECK(std::isnan(maxima[1]));
      CHECK(!std::isnan(maxima[0]));
      CHECK(!std::isnan(maxima[2]));
    }
  });
}

TEST_CASE("max_pool2d names what does not fit") {
  const Tensor x = Tensor::zeros({1, 5, 4, 3});
  Tensor y = Tensor::zeros({1, 2, 3, 3});
  ByteTensor choice = ByteTensor::zeros({1, 2, 2, 3});
  CHECK_THROWS_WITH_AS(
      max_pool2d_forward(x, {}, 2, y, choice),
      doctest::Contains("max_pool2d_forward: y (1, 2, 3, 3), but x (1, 5, 4, 3) and size 2 make it "
                        "(1, 2, 2, 3)"),
      Error);
  CHECK_THROWS_WITH_AS(max_pool2d_output_shape(x.shape(), 5), doctest::Contains("size 5"), Error);
  CHECK_THROWS_WITH_AS(max_pool2d_output_shape({1, 40, 40, 1}, 17),
                       doctest::Contains("size 17 is not within 1 to 16"), Error);
  y = Tensor::zeros({1, 2, 2, 3});
  choice = ByteTensor::zeros({1, 2, 1, 3});
  CHECK_THROWS_WITH_AS(max_pool2d_forward(x, {}, 2, y, choice),
                       doctest::Contains("max_pool2d_forward: choice (1, 2, 1, 3)"), Error);
  Tensor dx = Tensor::zeros({1, 4, 7, 3});
  CHECK_THROWS_WITH_AS(
      max_pool2d_backward(y, {.choice = choice.data(), .pool_size = 2}, dx),
      doctest::Contains("max_pool2d_backward: dy (1, 2, 2, 3), but dx (1, 4, 7, 3)"), Error);
  CHECK_THROWS_WITH_AS(max_pool2d_backward(y, {}, dx), doctest::Contains("no choice is pending"),
                       Error);
}

}  // namespace ember
