#include "kernels/dense.h"

#include <doctest/doctest.h>

#include "nn/layer_cases.h"
#include "tests/kernels/reference.h"

namespace ember {
namespace {

struct Sizes {
  int64_t rows;
  int64_t inputs;
  int64_t outputs;
};

std::vector<Sizes> all_sizes() {
  std::vector<Sizes> all{{1, 1, 1},     {1, 5, 3},     {3, 17, 1},   {32, 128, 3},
                         {5, 1280, 16}, {33, 100, 29}, {7, 9000, 5}, {2, 40, 300}};
  for (const LayerCase& layer : layer_cases("Dense", 2, 32)) {
    all.push_back({layer.x[0], layer.x[1], layer.y[1]});
  }
  return all;
}

template <typename Body>
void for_each_size(const Body& body) {
  for_each_device([&] {
    for (const Sizes& sizes : all_sizes()) {
      CAPTURE(sizes.rows);
      CAPTURE(sizes.inputs);
      CAPTURE(sizes.outputs);
      body(sizes.rows, sizes.inputs, sizes.outputs);
    }
  });
}

}  // namespace

TEST_CASE("dense_forward is exact on whole numbers") {
  for_each_size([](int64_t rows, int64_t inputs, int64_t outputs) {
    const Tensor x = random_integers({rows, inputs}, -4, 4, 1);
    const Tensor weight = random_integers({outputs, inputs}, -3, 3, 2);
    const Tensor bias = random_integers({outputs}, -9, 9, 3);
    const auto weights = to_double(weight);
    const auto biases = to_double(bias);
    const IntegerPending transform(inputs);
    for (const Pending& pending : {Pending{}, transform.pending}) {
      const auto z = reference_pending(x, pending);
      for (const Tensor& used_bias : {Tensor(), bias}) {
        std::vector<double> expected;
        for (int64_t n = 0; n < rows; ++n) {
          for (int64_t o = 0; o < outputs; ++o) {
            double sum = used_bias.empty() ? 0 : biases[static_cast<size_t>(o)];
            for (int64_t i = 0; i < inputs; ++i) {
              sum += z[static_cast<size_t>(n * inputs + i)] *
                     weights[static_cast<size_t>(o * inputs + i)];
            }
            expected.push_back(sum);
          }
        }
        require_equal_in_any_order([&] {
          Tensor y = poisoned({rows, outputs});
          dense_forward(x, pending, weight, used_bias, y);
          REQUIRE(equal_values(y, expected));
          return std::vector{y};
        });
      }
    }
  });
}

TEST_CASE("dense_dgrad and dense_wgrad are exact on whole numbers") {
  for_each_size([](int64_t rows, int64_t inputs, int64_t outputs) {
    const Tensor x = random_integers({rows, inputs}, -4, 4, 1);
    const Tensor weight = random_integers({outputs, inputs}, -3, 3, 2);
    const Tensor dz = random_integers({rows, outputs}, -3, 3, 3);
    const auto weights = to_double(weight);
    const IntegerPending x_transform(inputs);
    const IntegerPendingGradient dz_transform({rows, outputs});
    for (const bool transformed : {false, true}) {
      const Pending x_pending = transformed ? x_transform.pending : Pending{};
      const PendingGradient dz_pending = transformed ? dz_transform.pending : PendingGradient{};
      const auto z = reference_pending(x, x_pending);
      const auto dy = reference_pending_gradient(dz, dz_pending);
      std::vector<double> expected_dx(static_cast<size_t>(x.size()));
      std::vector<double> expected_dweight(static_cast<size_t>(weight.size()));
      std::vector<double> expected_dbias(static_cast<size_t>(outputs));
      for (int64_t n = 0; n < rows; ++n) {
        for (int64_t o = 0; o < outputs; ++o) {
          const double gradient = dy[static_cast<size_t>(n * outputs + o)];
          expected_dbias[static_cast<size_t>(o)] += gradient;
          for (int64_t i = 0; i < inputs; ++i) {
            expected_dx[static_cast<size_t>(n * inputs + i)] +=
                gradient * weights[static_cast<size_t>(o * inputs + i)];
            expected_dweight[static_cast<size_t>(o * inputs + i)] +=
                gradient * z[static_cast<size_t>(n * inputs + i)];
          }
        }
      }
      require_equal_in_any_order([&] {
        Tensor dx = poisoned(x.shape());
        dense_dgrad(dz, dz_pending, weight, dx);
        REQUIRE(equal_values(dx, expected_dx));
        return std::vector{dx};
      });
      require_equal_in_any_order([&] {
        Tensor dweight = poisoned(weight.shape());
        Tensor dbias = poisoned({outputs});
        dense_wgrad(x, x_pending, dz, dz_pending, dweight, dbias);
        REQUIRE(equal_values(dweight, expected_dweight));
        REQUIRE(equal_values(dbias, expected_dbias));
        return std::vector{dweight, dbias};
      });
    }
  });
}

TEST_CASE("dense rounds alike in any order of threads") {
  for_each_size([](int64_t rows, int64_t inputs, int64_t outputs) {
    const Tensor x = random_uniform({rows, inputs}, -1, 1, 1);
    const Tensor weight = random_uniform({outputs, inputs}, -1, 1, 2);
    const Tensor bias = random_uniform({outputs}, -1, 1, 3);
    const Tensor dz = random_uniform({rows, outputs}, -1, 1, 4);
    require_equal_in_any_order([&] {
      Tensor y = poisoned({rows, outputs});
      Tensor dx = poisoned(x.shape());
      Tensor dweight = poisoned(weight.shape());
      Tensor dbias = poisoned({outputs});
      dense_forward(x, {}, weight, bias, y);
      dense_dgrad(dz, {}, weight, dx);
      dense_wgrad(x, {}, dz, {}, dweight, dbias);
      return std::vector{y, dx, dweight, dbias};
    });
  });
}

TEST_CASE("dense_forward keeps the error of long sums small") {
  for_each_device([] {
    constexpr size_t kInputs = 57600;
    const Tensor x = random_uniform({2, kInputs}, 0, 1, 1);
    const Tensor weight = random_uniform({3, kInputs}, 0, 1, 2);
    Tensor y = poisoned({2, 3});
    dense_forward(x, {}, weight, {}, y);
    const auto values = to_double(x);
    const auto weights = to_double(weight);
    const auto sums = to_double(y);
    for (size_t n = 0; n < 2; ++n) {
      for (size_t o = 0; o < 3; ++o) {
        double sum = 0;
        for (size_t i = 0; i < kInputs; ++i) {
          sum += values[n * kInputs + i] * weights[o * kInputs + i];
        }
        CHECK(sums[n * 3 + o] == doctest::Approx(sum).epsilon(1e-6));
      }
    }
  });
}

TEST_CASE("dense names its shapes when they do not fit") {
  const Tensor x = Tensor::zeros({2, 3});
  const Tensor weight = Tensor::zeros({4, 5});
  Tensor y = Tensor::zeros({2, 4});
  CHECK_THROWS_WITH_AS(dense_forward(x, {}, weight, {}, y),
                       doctest::Contains("dense_forward: x (2, 3), weight (4, 5)"), Error);
}

}  // namespace ember
