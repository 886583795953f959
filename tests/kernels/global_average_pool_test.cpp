#include "kernels/global_average_pool.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/kernels/testing.h"

namespace ember {

TEST_CASE("global_average_pool_forward is the mean of the transformed image") {
  for_each_target([] {
    for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{3, 4, 4, 21}, Shape{2, 3, 5, 16},
                               Shape{2, 40, 50, 3}, Shape{2, 1, 7, 33}}) {
      CAPTURE(to_string(shape));
      const int64_t channels = shape[3];
      const int64_t pixels = shape[1] * shape[2];
      const Tensor x = random_uniform(shape, -1, 3, 1);
      const Tensor scale = random_uniform({channels}, 1, 2, 2);
      const Tensor shift = random_uniform({channels}, -1, 1, 3);
      Tensor y = poisoned({shape[0], channels});
      global_average_pool_forward(x, {scale.data(), shift.data(), 0.0f, 6.0f}, y);
      std::vector<double> expected(static_cast<size_t>(y.size()));
      for (int64_t i = 0; i < x.size(); ++i) {
        const int64_t c = i % channels;
        const double u = double{scale.data()[c]} * x.data()[i] + shift.data()[c];
        expected[static_cast<size_t>(i / (pixels * channels) * channels + c)] +=
            std::clamp(u, 0.0, 6.0) / static_cast<double>(pixels);
      }
      CHECK(relative_l2(y.values(), expected) < 2e-7);
    }
  });
}

TEST_CASE("global_average_pool_backward spreads the gradient evenly") {
  const Tensor dy = random_integers({3, 19}, -8, 8, 1);
  Tensor dx = poisoned({3, 2, 4, 19});
  global_average_pool_backward(dy, dx);
  for (int64_t i = 0; i < dx.size(); ++i) {
    REQUIRE(dx.data()[i] == dy.data()[i / (8 * 19) * 19 + i % 19] / 8);
  }
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
