#include "kernels/pending.h"

#include <doctest/doctest.h>

#include "tests/kernels/reference.h"

namespace ember {

TEST_CASE("materialize applies scale, shift and clip") {
  for_each_device([] {
    for (int64_t channels : {1, 3, 16, 17, 35, 300, 1100}) {
      const Tensor raw = random_integers({2, 3, 1, channels}, -5, 5, 1);
      const Tensor scale = random_integers({channels}, -2, 3, 2);
      const Tensor shift = random_integers({channels}, -4, 4, 3);
      const float* none = nullptr;
      for (const Pending& pending :
           {Pending{scale.data(), shift.data(), 0.0f, 6.0f}, Pending{scale.data(), shift.data()},
            Pending{none, none, -2.0f, 3.0f}, Pending{}}) {
        Tensor z = poisoned(raw.shape());
        materialize(raw, pending, z);
        CHECK(equal_values(z, reference_pending(raw, pending)));
      }
      Tensor in_place = raw.clone();
      materialize(in_place, {scale.data(), shift.data(), 0.0f, 6.0f}, in_place);
      CHECK(
          equal_values(in_place, reference_pending(raw, {scale.data(), shift.data(), 0.0f, 6.0f})));
    }
  });
}

TEST_CASE("materialize_gradient masks at both kinks and adds the statistics' share") {
  for_each_device([] {
    for (int64_t channels : {1, 5, 16, 19, 300, 1100}) {
      const Tensor raw = random_integers({7, channels}, -8, 8, 1);
      const Tensor dz = random_integers({7, channels}, -8, 8, 2);
      const Tensor scale = random_integers({channels}, 1, 2, 3);
      const Tensor shift = random_integers({channels}, -2, 2, 4);
      const Tensor a = random_integers({channels}, -3, 3, 5);
      const Tensor b = random_integers({channels}, -3, 3, 6);
      const Tensor c = random_integers({channels}, -3, 3, 7);
      const Pending forward{scale.data(), shift.data(), 0.0f, 6.0f};
      for (const PendingGradient& pending :
           {PendingGradient{raw.data(), forward, a.data(), b.data(), c.data()},
            PendingGradient{raw.data(), forward, a.data()}, PendingGradient{raw.data(), forward},
            PendingGradient{}}) {
        Tensor dx = poisoned(dz.shape());
        materialize_gradient(dz, pending, dx);
        CHECK(equal_values(dx, reference_pending_gradient(dz, pending)));
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
