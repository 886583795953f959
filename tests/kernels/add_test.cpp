#include "kernels/add.h"

#include <doctest/doctest.h>

#include "nn/layer_cases.h"
#include "tests/kernels/reference.h"

namespace ember {
namespace {

std::vector<double> sum(std::vector<double> a, const std::vector<double>& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

}  // namespace

TEST_CASE("add sums two activations, each after its own pending transform") {
  for_each_device([] {
    std::vector<Shape> shapes;
    for (int64_t channels : {1, 3, 16, 35, 300, 1100}) shapes.push_back({2, 3, 5, channels});
    for (const LayerCase& layer : layer_cases("Add", 1)) shapes.push_back(layer.x);
    for (const Shape& shape : shapes) {
      CAPTURE(to_string(shape));
      const int64_t channels = shape[3];
      const Tensor a = random_integers(shape, -5, 5, 1);
      const Tensor b = random_integers(a.shape(), -5, 5, 2);
      const Tensor scale = random_integers({channels}, -3, 3, 3);
      const Tensor shift = random_integers({channels}, -3, 3, 4);
      const Pending a_pending{scale.data(), shift.data(), 0.0f, 6.0f};
      const Pending b_pending{shift.data(), scale.data(), -4.0f, 4.0f};
      Tensor y = poisoned(a.shape());
      add(a, a_pending, b, b_pending, y);
      CHECK(equal_values(y, sum(reference_pending(a, a_pending), reference_pending(b, b_pending))));
      Tensor in_place = a.clone();
      add(in_place, {}, b, {}, in_place);
      CHECK(equal_values(in_place, sum(to_double(a), to_double(b))));
    }
  });
}

TEST_CASE("tensors of two devices are refused by name") {
  for_each_device([] {
    if (test_device == Device::cpu) return;
    const Tensor here = Tensor::zeros({2, 3});
    const Tensor there = here.to(test_device);
    Tensor y = there.clone();
    CHECK_THROWS_WITH_AS(add(there, {}, here, {}, y),
                         "add: b is on cpu, the other tensors are on cuda", Error);
    y = here.clone();
    CHECK_THROWS_WITH_AS(add(there, {}, there, {}, y), doctest::Contains("add: y is on cpu"),
                         Error);
  });
}

TEST_CASE("rows without a channel are no work") {
  for_each_device([] {
    const Tensor a({4, 0}, test_device);
    Tensor y({4, 0}, test_device);
    add(a, {}, a, {}, y);
    materialize(a, {}, y);
    materialize_gradient(a, {}, y);
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
