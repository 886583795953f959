#include "kernels/pending.h"

#include <doctest/doctest.h>

#include "tests/kernels/testing.h"

namespace ember {

TEST_CASE("materialize applies scale, shift and clip") {
  for_each_target([] {
    for (int64_t channels : {1, 3, 16, 17, 35}) {
      const Tensor raw = random_integers({2, 3, 1, channels}, -5, 5, 1);
      const Tensor scale = random_integers({channels}, -2, 3, 2);
      const Tensor shift = random_integers({channels}, -4, 4, 3);
      Tensor z = poisoned(raw.shape());
      materialize(raw, {scale.data(), shift.data(), 0.0f, 6.0f}, z);
      for (int64_t i = 0; i < raw.size(); ++i) {
        const float u = scale.data()[i % channels] * raw.data()[i] + shift.data()[i % channels];
        REQUIRE(z.data()[i] == std::clamp(u, 0.0f, 6.0f));
      }
    }
  });
}

TEST_CASE("materialize_gradient masks at both kinks and adds the statistics' share") {
  for_each_target([] {
    for (int64_t channels : {1, 5, 16, 19}) {
      const Tensor raw = random_integers({7, channels}, -8, 8, 1);
      const Tensor dz = random_integers({7, channels}, -8, 8, 2);
      const Tensor scale = random_integers({channels}, 1, 2, 3);
      const Tensor shift = random_integers({channels}, -2, 2, 4);
      const Tensor a = random_integers({channels}, -3, 3, 5);
      const Tensor b = random_integers({channels}, -3, 3, 6);
      const Tensor c = random_integers({channels}, -3, 3, 7);
      const PendingGradient pending{
          raw.data(), {scale.data(), shift.data(), 0.0f, 6.0f}, a.data(), b.data(), c.data()};
      Tensor dx = poisoned(dz.shape());
      materialize_gradient(dz, pending, dx);
      for (int64_t i = 0; i < dz.size(); ++i) {
        const int64_t k = i % channels;
        const float u = scale.data()[k] * raw.data()[i] + shift.data()[k];
        const float du = 0.0f < u && u < 6.0f ? dz.data()[i] : 0.0f;
        REQUIRE(dx.data()[i] == a.data()[k] * du + b.data()[k] * raw.data()[i] + c.data()[k]);
      }
    }
  });
}

TEST_CASE("materialize names both shapes when they differ") {
  const Tensor raw = Tensor::zeros({2, 3});
  Tensor z = Tensor::zeros({3, 2});
  CHECK_THROWS_WITH_AS(materialize(raw, {}, z), doctest::Contains("raw (2, 3), z (3, 2)"), Error);
}

}  // namespace ember
