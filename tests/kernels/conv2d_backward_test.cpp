#include "kernels/conv2d.h"

#include <doctest/doctest.h>

#include "nn/layer_cases.h"
#include "tests/kernels/conv2d_cases.h"

namespace ember {

TEST_CASE("conv2d_dgrad is exact on whole numbers, pending or not, overwriting or adding") {
  for_each_case([](const ConvolutionCase& c) {
    const Tensor dz = random_integers(output_shape(c), -3, 3, 1);
    const Tensor weight = random_integers(c.weight, -3, 3, 2);
    const Tensor before = random_integers(c.x, -9, 9, 3);
    const auto weights = to_double(weight);
    const auto addends = to_double(before);
    const IntegerPendingGradient transform(output_shape(c));
    for (const PendingGradient& pending : {PendingGradient{}, transform.pending}) {
      const auto dy = reference_pending_gradient(dz, pending);
      std::vector<double> expected(static_cast<size_t>(c.x.size()));
      for_each_product(c, [&](size_t at_y, size_t at_x, size_t at_w) {
        expected[at_x] += dy[at_y] * weights[at_w];
      });
      require_equal_in_any_order([&] {
        Tensor dx = poisoned(c.x);
        conv2d_dgrad(dz, pending, weight, c.window, false, dx, nullptr);
        REQUIRE(equal_values(dx, expected));
        return std::vector{dx};
      });
      Tensor dx = before.clone();
      conv2d_dgrad(dz, pending, weight, c.window, true, dx, nullptr);
      for (size_t i = 0; i < expected.size(); ++i) expected[i] += addends[i];
      REQUIRE(equal_values(dx, expected));
    }
  });
}

TEST_CASE("conv2d_wgrad is exact on whole numbers, with each operand pending or not") {
  for_each_case([](const ConvolutionCase& c) {
    const Tensor x = random_integers(c.x, -3, 3, 1);
    const Tensor dz = random_integers(output_shape(c), -3, 3, 2);
    const IntegerPending x_transform(c.x[3]);
    const IntegerPendingGradient dz_transform(output_shape(c));
    for (const Pending& x_pending : {Pending{}, x_transform.pending}) {
      for (const PendingGradient& dz_pending : {PendingGradient{}, dz_transform.pending}) {
        const auto z = reference_pending(x, x_pending);
        const auto dy = reference_pending_gradient(dz, dz_pending);
        std::vector<double> expected(static_cast<size_t>(c.weight.size()));
        for_each_product(c, [&](size_t at_y, size_t at_x, size_t at_w) {
          expected[at_w] += dy[at_y] * z[at_x];
        });
        std::vector<double> expected_bias(static_cast<size_t>(c.weight[0]));
        for (size_t i = 0; i < dy.size(); ++i) expected_bias[i % expected_bias.size()] += dy[i];
        require_equal_in_any_order([&] {
          Tensor dweight = poisoned(c.weight);
          Tensor dbias = poisoned({c.weight[0]});
          conv2d_wgrad(x, x_pending, dz, dz_pending, c.window, dweight, dbias);
          REQUIRE(equal_values(dweight, expected));
          REQUIRE(equal_values(dbias, expected_bias));
          return std::vector{dweight, dbias};
        });
        Tensor dweight = poisoned(c.weight);
        Tensor no_bias;
        conv2d_wgrad(x, x_pending, dz, dz_pending, c.window, dweight, no_bias);
        REQUIRE(equal_values(dweight, expected));
      }
    }
  });
}

TEST_CASE("conv2d is exact on the models' layers and on the larger tiles of a GPU") {
  std::vector<ConvolutionCase> cases{
      {"many pixels", {1, 129, 129, 4}, {124, 1, 1, 4}, {}},
      {"many pixels and inputs", {1, 129, 129, 124}, {4, 1, 1, 124}, {}},
      {"many pixels, few outputs", {1, 129, 129, 12}, {28, 1, 1, 12}, {}},
      {"more pixels, fewer of both", {1, 270, 260, 12}, {16, 1, 1, 12}, {}},
      {"more pixels, few inputs", {1, 190, 181, 4}, {68, 1, 1, 4}, {}},
      {"more pixels, fewer inputs", {1, 190, 181, 20}, {36, 1, 1, 20}, {}},
      {"more pixels, fewer outputs", {1, 190, 181, 36}, {20, 1, 1, 36}, {}},
      {"many of all", {1, 45, 46, 500}, {124, 1, 1, 500}, {}}};
  for (const LayerCase& layer : layer_cases("Conv2D", 1, 64)) {
    cases.push_back({layer.name, layer.x, layer.weight, layer.window});
  }
  for_each_device([&] {
    for (const ConvolutionCase& c : cases) {
      CAPTURE(c.name);
      const Tensor x = random_integers(c.x, -3, 3, 1);
      const Tensor weight = random_integers(c.weight, -3, 3, 2);
      const Tensor dz = random_integers(output_shape(c), -3, 3, 3);
      const IntegerPending x_transform(c.x[3]);
      const IntegerPendingGradient dz_transform(output_shape(c));
      const auto z = reference_pending(x, x_transform.pending);
      const auto dy = reference_pending_gradient(dz, dz_transform.pending);
      const auto weights = to_double(weight);
      std::vector<double> expected_dx(z.size());
      std::vector<double> expected_dweight(weights.size());
      for_each_product(c, [&](size_t at_y, size_t at_x, size_t at_w) {
        expected_dx[at_x] += dy[at_y] * weights[at_w];
        expected_dweight[at_w] += dy[at_y] * z[at_x];
      });
      Tensor y = poisoned(output_shape(c));
      Moments moments{poisoned({c.weight[0]}), poisoned({c.weight[0]})};
      conv2d_forward(x, x_transform.pending, weight, {}, c.window, y, {.moments = &moments});
      CHECK(equal_values(y, reference_forward(c, z, weights, {})));
      Tensor dx = poisoned(c.x);
      conv2d_dgrad(dz, dz_transform.pending, weight, c.window, false, dx, nullptr);
      CHECK(equal_values(dx, expected_dx));
      Tensor dweight = poisoned(c.weight);
      Tensor no_bias;
      conv2d_wgrad(x, x_transform.pending, dz, dz_transform.pending, c.window, dweight, no_bias);
      CHECK(equal_values(dweight, expected_dweight));
    }
  });
}

TEST_CASE("conv2d_backward gives both gradients, and what the BatchNorm before makes of dx") {
  std::vector<ConvolutionCase> cases(std::begin(kConvolutionCases), std::end(kConvolutionCases));
  // Large enough for a CPU to compute both in one pass, with either operand broadcast.
  cases.push_back({"wide to narrow", {16, 32, 32, 36}, {12, 1, 1, 36}, {}});
  cases.push_back({"narrow to wide", {16, 32, 32, 12}, {36, 1, 1, 12}, {}});
  for_each_device([&] {
    for (const ConvolutionCase& c : cases) {
      CAPTURE(c.name);
      const Tensor x = random_integers(c.x, -3, 3, 1);
      const Tensor weight = random_integers(c.weight, -2, 2, 2);
      const Tensor dz = random_integers(output_shape(c), -2, 2, 3);
      const Tensor before = random_integers(c.x, -9, 9, 4);
      const IntegerPending x_transform(c.x[3]);
      const IntegerPendingGradient dz_transform(output_shape(c));
      for (bool accumulate : {false, true}) {
        Tensor dx = accumulate ? before.clone() : poisoned(c.x);
        Tensor dx_expected = dx.clone();
        Tensor dweight = poisoned(c.weight);
        Tensor dweight_expected = poisoned(c.weight);
        Tensor dbias = poisoned({c.weight[0]});
        Tensor dbias_expected = poisoned({c.weight[0]});
        IntegerBatchNorm batch_norm(c.x);
        conv2d_backward(x, x_transform.pending, dz, dz_transform.pending, weight, c.window, dweight,
                        dbias, accumulate, dx, &batch_norm.norm);
        conv2d_wgrad(x, x_transform.pending, dz, dz_transform.pending, c.window, dweight_expected,
                     dbias_expected);
        conv2d_dgrad(dz, dz_transform.pending, weight, c.window, accumulate, dx_expected, nullptr);
        CHECK(equal_bytes(dweight, dweight_expected));
        CHECK(equal_bytes(dbias, dbias_expected));
        CHECK(equal_bytes(dx, dx_expected));
        CHECK(equals_batch_norm_of(dx, batch_norm));

        IntegerBatchNorm alone(c.x);
        Tensor dx_alone = accumulate ? before.clone() : poisoned(c.x);
        conv2d_dgrad(dz, dz_transform.pending, weight, c.window, accumulate, dx_alone, &alone.norm);
        CHECK(equal_bytes(dx_alone, dx));
        CHECK(equals_batch_norm_of(dx, alone));
      }
    }
  });
}

TEST_CASE("conv2d's gradients round alike in any order of threads") {
  for_each_case([](const ConvolutionCase& c) {
    const Tensor x = random_uniform(c.x, -1, 1, 1);
    const Tensor weight = random_uniform(c.weight, -1, 1, 2);
    const Tensor dz = random_uniform(output_shape(c), -1, 1, 3);
    require_equal_in_any_order([&] {
      Tensor dx = poisoned(c.x);
      Tensor dweight = poisoned(c.weight);
      Tensor dbias = poisoned({c.weight[0]});
      conv2d_dgrad(dz, {}, weight, c.window, false, dx, nullptr);
      conv2d_wgrad(x, {}, dz, {}, c.window, dweight, dbias);
      IntegerBatchNorm batch_norm(c.x);
      Tensor dx_again = poisoned(c.x);
      Tensor dweight_again = poisoned(c.weight);
      conv2d_backward(x, {}, dz, {}, weight, c.window, dweight_again, dbias, false, dx_again,
                      &batch_norm.norm);
      std::vector results = batch_norm.results();
      for (const Tensor& tensor : {dx, dweight, dbias, dx_again, dweight_again}) {
        results.push_back(tensor);
      }
      return results;
    });
  });
}

TEST_CASE("orders: convolutions of photos") {
  for_each_device([] {
    for (const ConvolutionCase& c :
         {ConvolutionCase{"", {2, 9, 36, 3}, {36, 3, 3, 3}, {2, 1, {0, 1, 1, 0}}},
          ConvolutionCase{"", {1, 26, 4, 1}, {4, 5, 7, 1}, {1, 1, Padding::all(3)}}}) {
      const Tensor x = random_uniform(c.x, -1, 1, 1);
      const Tensor weight = random_uniform(c.weight, -1, 1, 2);
      const Tensor dz = random_uniform(output_shape(c), -1, 1, 3);
      require_equal_in_any_order([&] {
        Tensor y = poisoned(output_shape(c));
        Moments moments{poisoned({c.weight[0]}), poisoned({c.weight[0]})};
        Tensor dweight = poisoned(c.weight);
        Tensor dbias = poisoned({c.weight[0]});
        conv2d_forward(x, {}, weight, {}, c.window, y, {.moments = &moments});
        conv2d_wgrad(x, {}, dz, {}, c.window, dweight, dbias);
        return std::vector{y, moments.mean, moments.variance, dweight, dbias};
      });
    }
  });
}

TEST_CASE("conv2d gradients are the slopes of the forward pass") {
  const ConvolutionCase c{"", {1, 5, 6, 3}, {4, 3, 2, 3}, {2, 1, {1, 0, 0, 1}}};
  for_each_device([&] {
    const Tensor x = random_uniform(c.x, -1, 1, 1);
    const Tensor weight = random_uniform(c.weight, -1, 1, 2);
    const Tensor dy = random_uniform(output_shape(c), -1, 1, 3);
    const auto upstream = to_double(dy);
    auto at_x = to_double(x);
    auto at_weight = to_double(weight);
    const auto loss = [&] {
      const auto y = reference_forward(c, at_x, at_weight, {});
      double sum = 0;
      for (size_t i = 0; i < y.size(); ++i) sum += y[i] * upstream[i];
      return sum;
    };
    const auto slopes = [&](std::vector<double>& at) {
      constexpr double kStep = 0x1p-10;
      std::vector<double> gradient;
      for (double& element : at) {
        const double middle = element;
        element = middle + kStep;
        const double above = loss();
        element = middle - kStep;
        gradient.push_back((above - loss()) / (2 * kStep));
        element = middle;
      }
      return gradient;
    };
    Tensor dx = poisoned(c.x);
    conv2d_dgrad(dy, {}, weight, c.window, false, dx, nullptr);
    CHECK(relative_l2(dx, slopes(at_x)) < 1e-6);
    Tensor dweight = poisoned(c.weight);
    Tensor dbias = poisoned({4});
    conv2d_wgrad(x, {}, dy, {}, c.window, dweight, dbias);
    CHECK(relative_l2(dweight, slopes(at_weight)) < 1e-6);
  });
}

}  // namespace ember
