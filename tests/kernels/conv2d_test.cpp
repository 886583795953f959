#include "kernels/conv2d.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "nn/layer_cases.h"
#include "tests/kernels/reference.h"

namespace ember {
namespace {

struct Case {
  std::string name;
  Shape x;
  Shape weight;
  Window window;
};

const Case kCases[] = {
    {"one pixel, one channel", {1, 1, 1, 1}, {1, 1, 1, 1}, {}},
    {"pointwise", {2, 5, 7, 24}, {144, 1, 1, 24}, {}},
    {"pointwise, narrow", {3, 4, 4, 35}, {17, 1, 1, 35}, {}},
    {"pointwise, one output", {2, 9, 8, 16}, {1, 1, 1, 16}, {}},
    {"pointwise, one input", {2, 9, 8, 1}, {33, 1, 1, 1}, {}},
    {"pointwise, deep", {1, 4, 4, 1100}, {40, 1, 1, 1100}, {}},
    {"3x3 valid, as the baseline's first layer", {2, 17, 33, 3}, {32, 3, 3, 3}, {}},
    {"3x3 valid, wide channels", {1, 6, 7, 32}, {64, 3, 3, 32}, {}},
    {"3x3 stride 2, TensorFlow's same", {2, 16, 16, 3}, {32, 3, 3, 3}, {2, 2, {0, 1, 0, 1}}},
    {"3x3 stride 2, PyTorch's same", {2, 9, 8, 5}, {18, 3, 3, 5}, {2, 2, Padding::all(1)}},
    {"3x3 same", {2, 5, 5, 16}, {16, 3, 3, 16}, {1, 1, Padding::all(1)}},
    {"5x3, mixed strides", {2, 11, 10, 4}, {7, 5, 3, 4}, {3, 1, {2, 1, 0, 2}}},
    {"3x5, mixed strides", {1, 10, 13, 2}, {19, 3, 5, 2}, {1, 3, {0, 0, 3, 1}}},
    {"stride past the kernel", {2, 9, 9, 3}, {5, 2, 2, 3}, {3, 3, {}}},
    {"1x1, stride 2", {2, 7, 8, 6}, {20, 1, 1, 6}, {2, 2, {}}},
    {"1x1, padded", {1, 3, 3, 4}, {6, 1, 1, 4}, {1, 1, {1, 0, 0, 2}}},
    {"padding beyond the kernel", {1, 2, 2, 3}, {4, 2, 2, 3}, {2, 1, {3, 2, 4, 3}}},
    {"a kernel as large as the image", {3, 4, 5, 2}, {9, 4, 5, 2}, {}},
    {"one channel, vectors that overlap", {1, 6, 40, 1}, {3, 3, 3, 1}, {}},
    {"a photo, valid", {2, 19, 40, 3}, {32, 3, 3, 3}, {}},
    {"a photo, stride 2, TensorFlow's same", {2, 18, 68, 3}, {32, 3, 3, 3}, {2, 2, {0, 1, 0, 1}}},
    {"a photo, stride 2, PyTorch's same", {1, 17, 36, 3}, {40, 3, 3, 3}, {2, 2, Padding::all(1)}},
    {"a photo, many taps", {1, 9, 12, 3}, {8, 7, 7, 3}, {2, 2, Padding::all(3)}},
    {"a photo of two channels, mixed strides", {1, 11, 34, 2}, {4, 3, 5, 2}, {3, 1, {2, 1, 0, 2}}},
    {"a grey photo, kernel of even width", {1, 9, 8, 1}, {12, 2, 4, 1}, {1, 1, {0, 1, 2, 1}}},
    {"a photo, pointwise", {2, 3, 4, 3}, {4, 1, 1, 3}, {}},
    {"a photo, padding beyond the kernel", {1, 2, 4, 3}, {4, 2, 2, 3}, {2, 1, {3, 2, 9, 30}}},
    {"a photo whose rows are no whole vectors", {1, 9, 35, 3}, {32, 3, 3, 3}, {}},
    {"a photo, outputs that are no whole vectors", {1, 9, 36, 3}, {30, 3, 3, 3}, {}},
    {"a photo, more taps than a block has room for", {1, 24, 24, 3}, {4, 24, 24, 3}, {}},
};

/// Calls `body(y, x, w)` with the flat indices of each product of the convolution.
template <typename Body>
void for_each_product(const Case& c, const Body& body) {
  const Shape y = conv2d_output_shape(c.x, c.weight, c.window);
  const int64_t h = c.x[1];
  const int64_t w = c.x[2];
  const int64_t channels = c.x[3];
  const int64_t kernel_h = c.weight[1];
  const int64_t kernel_w = c.weight[2];
  for (int64_t pixel = 0; pixel < y[0] * y[1] * y[2]; ++pixel) {
    const int64_t n = pixel / (y[1] * y[2]);
    const int64_t top = pixel / y[2] % y[1] * c.window.stride_h - c.window.padding.top;
    const int64_t left = pixel % y[2] * c.window.stride_w - c.window.padding.left;
    for (int64_t tap = 0; tap < kernel_h * kernel_w; ++tap) {
      const int64_t row = top + tap / kernel_w;
      const int64_t column = left + tap % kernel_w;
      if (row < 0 || row >= h || column < 0 || column >= w) continue;
      for (int64_t o = 0; o < y[3]; ++o) {
        for (int64_t i = 0; i < channels; ++i) {
          body(static_cast<size_t>(pixel * y[3] + o),
               static_cast<size_t>(((n * h + row) * w + column) * channels + i),
               static_cast<size_t>((o * kernel_h * kernel_w + tap) * channels + i));
        }
      }
    }
  }
}

std::vector<double> reference_forward(const Case& c, const std::vector<double>& x,
                                      const std::vector<double>& weight,
                                      const std::vector<double>& bias) {
  const Shape shape = conv2d_output_shape(c.x, c.weight, c.window);
  std::vector<double> y(static_cast<size_t>(shape.size()));
  for (size_t i = 0; !bias.empty() && i < y.size(); ++i) y[i] = bias[i % bias.size()];
  for_each_product(
      c, [&](size_t at_y, size_t at_x, size_t at_w) { y[at_y] += x[at_x] * weight[at_w]; });
  return y;
}

Shape output_shape(const Case& c) { return conv2d_output_shape(c.x, c.weight, c.window); }

template <typename Body>
void for_each_case(const Body& body) {
  for_each_device([&] {
    for (const Case& c : kCases) {
      CAPTURE(c.name);
      body(c);
    }
  });
}

}  // namespace

TEST_CASE("conv2d_forward is exact on whole numbers, with and without pending and bias") {
  for_each_case([](const Case& c) {
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
  for_each_case([](const Case& c) {
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
  for_each_case([](const Case& c) {
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

TEST_CASE("conv2d_dgrad is exact on whole numbers, pending or not, overwriting or adding") {
  for_each_case([](const Case& c) {
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
  for_each_case([](const Case& c) {
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
  std::vector<Case> cases{{"many pixels", {1, 129, 129, 4}, {124, 1, 1, 4}, {}},
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
    for (const Case& c : cases) {
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
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  // Large enough for a CPU to compute both in one pass, with either operand broadcast.
  cases.push_back({"wide to narrow", {16, 32, 32, 36}, {12, 1, 1, 36}, {}});
  cases.push_back({"narrow to wide", {16, 32, 32, 12}, {36, 1, 1, 12}, {}});
  for_each_device([&] {
    for (const Case& c : cases) {
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
  for_each_case([](const Case& c) {
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
    for (const Case& c : {Case{"", {2, 9, 36, 3}, {36, 3, 3, 3}, {2, 1, {0, 1, 1, 0}}},
                          Case{"", {1, 26, 4, 1}, {4, 5, 7, 1}, {1, 1, Padding::all(3)}}}) {
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
  const Case c{"", {1, 5, 6, 3}, {4, 3, 2, 3}, {2, 1, {1, 0, 0, 1}}};
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

TEST_CASE("conv2d within a parallel loop gives the same bytes image by image") {
  const Case c{"", {4, 9, 9, 8}, {24, 3, 3, 8}, {1, 1, Padding::all(1)}};
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

TEST_CASE("conv2d says which shapes do not fit") {
  const Tensor x = Tensor::zeros({1, 4, 4, 3});
  const Tensor weight = Tensor::zeros({8, 3, 3, 3});
  Tensor y = Tensor::zeros({1, 4, 4, 8});
  CHECK_THROWS_WITH_AS(
      conv2d_forward(x, {}, weight, {}, {}, y, {}),
      doctest::Contains("x (1, 4, 4, 3) and weight (8, 3, 3, 3) give (1, 2, 2, 8), not "
                        "(1, 4, 4, 8)"),
      Error);
  CHECK_THROWS_AS(conv2d_output_shape({1, 4, 4, 2}, weight.shape(), {}), Error);
  CHECK_THROWS_AS(conv2d_output_shape({1, 2, 4, 3}, weight.shape(), {}), Error);
}

}  // namespace ember
