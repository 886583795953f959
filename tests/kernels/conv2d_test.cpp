#include "kernels/conv2d.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/kernels/conv2d_cases.h"

namespace ember {

TEST_CASE("conv2d_forward is exact on whole numbers, with and without pending and bias") {
  for_each_case([](const ConvolutionCase& c) {
    const Tensor x = random_integers(c.x, -4, 4, 1);
    const Tensor weight = random_integers(c.weight, -3, 3, 2);
    const Tensor bias = random_integers({c.weight[0]}, -9, 9, 3);
    const IntegerPending transform(c.x[3]);
    for (const Pending& pending : {Pending{}, transform.pending}) {
      for (const Tensor& used_bias : {Tensor(), bias}) {
        const auto expected =
            reference_forward(c, reference_pending(x, pending), to_double(weight),
                              used_bias.empty() ? std::vector<double>() : to_double(used_bias));
        require_equal_in_any_order([&] {
          Tensor y = poisoned(output_shape(c));
          conv2d_forward(x, pending, weight, used_bias, c.window, y, {});
          REQUIRE(equal_values(y, expected));
          return std::vector{y};
        });
      }
    }
  });
}

TEST_CASE("conv2d_forward's epilogue is exact on whole numbers, with and without bias") {
  for_each_case([](const ConvolutionCase& c) {
    const Tensor x = random_integers(c.x, -2, 2, 1);
    const Tensor weight = random_integers(c.weight, -2, 2, 2);
    const Tensor bias = random_integers({c.weight[0]}, -9, 9, 3);
    const auto channels = static_cast<size_t>(c.weight[0]);
    for (const Tensor& used_bias : {Tensor(), bias}) {
      const auto y_expected =
          reference_forward(c, to_double(x), to_double(weight),
                            used_bias.empty() ? std::vector<double>() : to_double(used_bias));
      for_each_epilogue(output_shape(c), [&](const Epilogue& epilogue) {
        Tensor y = poisoned(output_shape(c));
        conv2d_forward(x, {}, weight, used_bias, c.window, y, epilogue);
        REQUIRE(equal_values(y, reference_epilogue(y_expected, channels, epilogue)));
      });
    }
  });
}

TEST_CASE("conv2d_forward gathers the moments of its output, and folds a BatchNorm with them") {
  for_each_case([](const ConvolutionCase& c) {
    const Tensor x = random_uniform(c.x, -1, 1, 1);
    const Tensor weight = random_uniform(c.weight, -1, 1, 2);
    // A mean of 10^4 beside a spread of about 1: sums of squares would lose the variance.
    const Tensor bias = filled({c.weight[0]}, 1e4f);
    const auto channels = static_cast<size_t>(c.weight[0]);
    require_equal_in_any_order([&] {
      Moments moments{poisoned({c.weight[0]}), poisoned({c.weight[0]})};
      Tensor y = poisoned(output_shape(c));
      conv2d_forward(x, {}, weight, bias, c.window, y, {.moments = &moments});

      const Tensor gamma = random_uniform({c.weight[0]}, 1, 2, 3);
      Moments moving{filled({c.weight[0]}, 0), filled({c.weight[0]}, 1)};
      Moments moving_apart{filled({c.weight[0]}, 0), filled({c.weight[0]}, 1)};
      const auto fold_of = [&](Moments& into) {
        return BatchNormFold{
            gamma, bias, moments, 1e-3f, poisoned({c.weight[0]}), poisoned({c.weight[0]}),
            &into, 0.9f};
      };
      BatchNormFold fold = fold_of(moving);
      BatchNormFold apart = fold_of(moving_apart);
      conv2d_forward(x, {}, weight, bias, c.window, y, {.fold = &fold});
      batch_norm_fold({&apart, 1});
      CHECK(equal_bytes(fold.scale, apart.scale));
      CHECK(equal_bytes(fold.shift, apart.shift));
      CHECK(equal_bytes(moving.mean, moving_apart.mean));
      CHECK(equal_bytes(moving.variance, moving_apart.variance));
      const auto values = to_double(y);
      const auto means = to_double(moments.mean);
      const auto variances = to_double(moments.variance);
      const size_t pixels = values.size() / channels;
      const auto count = static_cast<double>(pixels);
      for (size_t o = 0; o < channels; ++o) {
        double mean = 0;
        for (size_t i = o; i < values.size(); i += channels) mean += values[i] / count;
        double variance = 0;
        for (size_t i = o; i < values.size(); i += channels) {
          variance += (values[i] - mean) * (values[i] - mean) / count;
        }
        REQUIRE(means[o] == doctest::Approx(mean).epsilon(1e-6));
        REQUIRE(variances[o] == doctest::Approx(variance).epsilon(1e-5));
      }
      return std::vector{y, moments.mean, moments.variance};
    });
  });
}

TEST_CASE("conv2d_forward does the same with weights that were packed before") {
  for (const ConvolutionCase& c : kConvolutionCases) {
    CAPTURE(c.name);
    const Tensor x = random_uniform(c.x, -1, 1, 1);
    const Tensor weight = random_uniform(c.weight, -1, 1, 2);
    const Tensor bias = random_uniform({c.weight[0]}, -1, 1, 3);
    for_each_epilogue(output_shape(c), [&](const Epilogue& epilogue) {
      Tensor expected = poisoned(output_shape(c));
      conv2d_forward(x, {}, weight, bias, c.window, expected, epilogue);
      Tensor packed = poisoned({conv2d_packed_size(c.weight, c.window, {})});
      conv2d_pack(weight, c.window, epilogue, packed);
      Tensor y = poisoned(output_shape(c));
      conv2d_forward(x, {}, weight, bias, c.window, y, epilogue, packed);
      REQUIRE(equal_bytes(y, expected));
    });
  }
}

TEST_CASE("conv2d within a parallel loop gives the same bytes image by image") {
  for (int64_t channels : {8, 24}) {  // the latter by Winograd's tiles
    const ConvolutionCase c{"", {4, 9, 9, channels}, {24, 3, 3, channels}, {1, 1, Padding::all(1)}};
    const Tensor x = random_uniform(c.x, -1, 1, 1);
    const Tensor weight = random_uniform(c.weight, -1, 1, 2);
    Tensor whole = poisoned(output_shape(c));
    conv2d_forward(x, {}, weight, {}, c.window, whole, {});
    Tensor parts = poisoned(output_shape(c));
    parallel_for(4, [&](int64_t n) {
      Tensor y = parts.rows(n, n + 1);
      conv2d_forward(x.rows(n, n + 1), {}, weight, {}, c.window, y, {});
    });
    CHECK(equal_bytes(whole, parts));
  }
}

TEST_CASE("conv2d says which shapes do not fit") {
  const Tensor x = Tensor::zeros({1, 4, 4, 3});
  const Tensor weight = Tensor::zeros({8, 3, 3, 3});
  Tensor y = Tensor::zeros({1, 4, 4, 8});
  CHECK_THROWS_WITH_AS(
      conv2d_forward(x, {}, weight, {}, {}, y, {}),
      doctest::Contains("x (1, 4, 4, 3) and weight (8, 3, 3, 3) give (1, 2, 2, 8), not "
                        "(1, 4, 4, 8)"),
      Error);
  Tensor fits = Tensor::zeros({1, 2, 2, 8});
  Tensor packed = Tensor::zeros({27});
  CHECK_THROWS_WITH_AS(conv2d_forward(x, {}, weight, {}, {}, fits, {}, packed),
                       doctest::Contains("27 packed floats"), Error);
  CHECK_THROWS_WITH_AS(conv2d_pack(weight, {}, {}, packed), doctest::Contains("27 floats"), Error);
  CHECK_THROWS_AS(conv2d_output_shape({1, 4, 4, 2}, weight.shape(), {}), Error);
  CHECK_THROWS_AS(conv2d_output_shape({1, 2, 4, 3}, weight.shape(), {}), Error);
}

}  // namespace ember
