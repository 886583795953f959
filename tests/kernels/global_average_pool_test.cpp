#include "kernels/global_average_pool.h"

#include <doctest/doctest.h>

#include "nn/layer_cases.h"
#include "tests/kernels/reference.h"

namespace ember {

TEST_CASE("global_average_pool_forward is the mean of the transformed image") {
  for_each_device([] {
    std::vector<Shape> shapes{
        {1, 1, 1, 1}, {3, 4, 4, 21}, {2, 3, 5, 16}, {2, 40, 50, 3}, {2, 1, 7, 33}};
    for (const LayerCase& layer : layer_cases("GlobalAveragePooling2D", 2)) {
      shapes.push_back(layer.x);
    }
    for (const Shape& shape : shapes) {
      CAPTURE(to_string(shape));
      const int64_t channels = shape[3];
      const int64_t pixels = shape[1] * shape[2];
      const Tensor x = random_uniform(shape, -1, 3, 1);
      const Tensor scale = random_uniform({channels}, 1, 2, 2);
      const Tensor shift = random_uniform({channels}, -1, 1, 3);
      const Pending pending{scale.data(), shift.data(), 0.0f, 6.0f};
      Tensor y = poisoned({shape[0], channels});
      global_average_pool_forward(x, pending, y);
      const auto z = reference_pending(x, pending);
      std::vector<double> expected(static_cast<size_t>(y.size()));
      for (int64_t i = 0; i < x.size(); ++i) {
        expected[static_cast<size_t>(i / (pixels * channels) * channels + i % channels)] +=
            z[static_cast<size_t>(i)] / static_cast<double>(pixels);
      }
      CHECK(relative_l2(y, expected) < 2e-7);
    }
  });
}

TEST_CASE("global_average_pool_backward spreads the gradient evenly") {
  for_each_device([] {
    for (size_t channels : {1, 19, 32, 300, 1100}) {
      const auto c = static_cast<int64_t>(channels);
      const Tensor dy = random_integers({3, c}, -8, 8, 1);
      Tensor dx = poisoned({3, 2, 4, c});
      global_average_pool_backward(dy, dx);
      const auto mean = to_double(dy);
      std::vector<double> expected;
      for (size_t i = 0; i < 3 * 8 * channels; ++i) {
        expected.push_back(mean[i / (8 * channels) * channels + i % channels] / 8);
      }
      CHECK(equal_values(dx, expected));
    }
  });
}

TEST_CASE("global_average_pool names what does not fit") {
  const Tensor x = Tensor::zeros({2, 4, 4, 3});
  Tensor y = Tensor::zeros({3, 2});
  CHECK_THROWS_WITH_AS(
      global_average_pool_forward(x, {}, y),
      doctest::Contains("global_average_pool_forward: y (3, 2), but x is (2, 4, 4, 3)"), Error);
  Tensor dx = Tensor::zeros({2, 4, 3});
  CHECK_THROWS_WITH_AS(global_average_pool_backward(y, dx),
                       doctest::Contains("global_average_pool_backward: dx (2, 4, 3) wants"),
                       Error);
}

}  // namespace ember
