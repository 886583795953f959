#include "kernels/dropout.h"

#include <doctest/doctest.h>

#include "tests/kernels/reference.h"

namespace ember {

TEST_CASE("dropout keeps element i where uniform(i) reaches the rate, forward and backward") {
  const Philox generator(7, Purpose::dropout, 3 << 8 | 2);
  for_each_device([&] {
    for (const Shape& shape :
         {Shape{1, 1}, Shape{3, 7}, Shape{5, 64}, Shape{100, 97}, Shape{3, 300}, Shape{3, 1100}}) {
      // The third is a number that element 0 draws.
      for (float rate : {0.0f, 0.3f, generator.uniform(0)}) {
        CAPTURE(to_string(shape));
        CAPTURE(rate);
        const DropoutMask mask{.rate = rate, .seed = 7, .step = 3, .ordinal = 2};
        const Tensor x = random_integers(shape, -5, 5, 1);
        const Tensor scale = random_integers({shape[-1]}, 1, 2, 2);
        const Tensor shift = random_integers({shape[-1]}, 1, 3, 3);
        const Pending pending{scale.data(), shift.data(), 0.0f, 100.0f};
        const Tensor dy = random_integers(shape, 1, 5, 4);
        Tensor y = poisoned(shape);
        Tensor dx = poisoned(shape);
        dropout_forward(x, pending, mask, y);
        dropout_backward(dy, mask, dx);
        // The product of a whole number and the rounded factor, rounded once more.
        const float factor = 1.0f / (1.0f - rate);
        const auto keep = [&](std::vector<double> values) {
          for (size_t i = 0; i < values.size(); ++i) {
            const bool kept = generator.uniform(i) >= rate;
            values[i] = kept ? static_cast<float>(values[i]) * factor : 0;
          }
          return values;
        };
        CHECK(equal_values(y, keep(reference_pending(x, pending))));
        CHECK(equal_values(dx, keep(to_double(dy))));
      }
    }
  });
}

TEST_CASE("dropout keeps the share of elements that its rate says, and the mean") {
  for_each_device([] {
    const Tensor x = filled({1000, 100}, 1.0f);
    Tensor y = poisoned(x.shape());
    dropout_forward(x, {}, {.rate = 0.4f, .seed = 1}, y);
    double sum = 0;
    for (double value : to_double(y)) sum += value;
    // The standard deviation of the mean of 1e5 elements is sqrt(0.4 / 0.6 / 1e5) = 0.0026.
    CHECK(std::abs(sum / 1e5 - 1) < 0.01);
  });
}

TEST_CASE("dropout names what does not fit") {
  const Tensor x = Tensor::zeros({2, 3});
  Tensor y = Tensor::zeros({3, 2});
  CHECK_THROWS_WITH_AS(dropout_forward(x, {}, {.rate = 0.5f}, y),
                       doctest::Contains("dropout_forward: x (2, 3), y (3, 2)"), Error);
  CHECK_THROWS_WITH_AS(dropout_backward(x, {.rate = 0.5f}, y),
                       doctest::Contains("dropout_backward: dy (2, 3), dx (3, 2)"), Error);
  CHECK_THROWS_WITH_AS(dropout_forward(x, {}, {.rate = 1.0f}, y),
                       doctest::Contains("rate 1 is not within [0, 1)"), Error);
}

}  // namespace ember
