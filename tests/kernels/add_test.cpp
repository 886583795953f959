#include "kernels/add.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/kernels/testing.h"

namespace ember {

TEST_CASE("add sums two activations, each after its own pending transform") {
  for_each_target([] {
    for (int64_t channels : {1, 3, 16, 35}) {
      const Tensor a = random_integers({2, 3, 5, channels}, -5, 5, 1);
      const Tensor b = random_integers(a.shape(), -5, 5, 2);
      const Tensor scale = random_integers({channels}, -3, 3, 3);
      const Tensor shift = random_integers({channels}, -3, 3, 4);
      Tensor y = poisoned(a.shape());
      const Pending a_pending{scale.data(), shift.data(), 0.0f, 6.0f};
      const Pending b_pending{shift.data(), scale.data(), -4.0f, 4.0f};
      add(a, a_pending, b, b_pending, y);
      for (int64_t i = 0; i < a.size(); ++i) {
        const float s = scale.data()[i % channels];
        const float t = shift.data()[i % channels];
        REQUIRE(y.data()[i] == std::clamp(s * a.data()[i] + t, 0.0f, 6.0f) +
                                   std::clamp(t * b.data()[i] + s, -4.0f, 4.0f));
      }
      Tensor in_place = a.clone();
      add(in_place, {}, b, {}, in_place);
      for (int64_t i = 0; i < a.size(); ++i) {
        REQUIRE(in_place.data()[i] == a.data()[i] + b.data()[i]);
      }
    }
  });
}

TEST_CASE("add names the argument whose shape differs") {
  const Tensor a = Tensor::zeros({2, 3});
  const Tensor b = Tensor::zeros({2, 4});
  Tensor y = Tensor::zeros({3, 3});
  CHECK_THROWS_WITH_AS(add(a, {}, b, {}, y), doctest::Contains("add: a (2, 3), b (2, 4)"), Error);
  CHECK_THROWS_WITH_AS(add(a, {}, a, {}, y), doctest::Contains("add: a (2, 3), y (3, 3)"), Error);
}

}  // namespace ember
