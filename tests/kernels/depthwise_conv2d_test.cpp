#include "kernels/depthwise_conv2d.h"

#include <doctest/doctest.h>

#include "kernels/conv2d.h"
#include "nn/layer_cases.h"
#include "tests/kernels/reference.h"

namespace ember {
namespace {

struct Case {
  Shape x;
  Shape weight;
  Window window;

  Shape y() const { return depthwise_conv2d_output_shape(x, weight, window); }
};

/// MobileNetV2's layers, and its 3x3 kernels on odd images and channels; other kernels, strides and
/// paddings, borders that reach further than the image, and images of which a stride leaves pixels
/// untouched.
std::vector<Case> cases() {
  const Padding one = Padding::all(1);
  std::vector<Case> all;
  for (int64_t channels : {1, 3, 16, 19, 67}) {
    const Shape weight{3, 3, channels};
    all.push_back({{2, 5, 6, channels}, weight, {1, 1, one}});
    all.push_back({{2, 6, 6, channels}, weight, {2, 2, {0, 1, 0, 1}}});
    all.push_back({{1, 7, 5, channels}, weight, {2, 2, one}});
    all.push_back({{2, 1, 1, channels}, weight, {1, 1, one}});
  }
  all.push_back({{1, 2, 3, 5}, {3, 3, 5}, {1, 1, {2, 2, 3, 4}}});
  all.push_back({{1, 4, 4, 5}, {3, 3, 5}, {1, 1, {}}});
  all.push_back({{1, 9, 8, 5}, {3, 3, 5}, {3, 3, {0, 0, 1, 0}}});
  all.push_back({{1, 9, 11, 5}, {3, 3, 5}, {4, 5, {}}});
  all.push_back({{2, 6, 7, 4}, {1, 1, 4}, {1, 1, {}}});
  all.push_back({{2, 6, 7, 4}, {1, 1, 4}, {2, 3, {0, 1, 2, 0}}});
  all.push_back({{1, 6, 9, 4}, {2, 4, 4}, {1, 2, {1, 0, 3, 2}}});
  all.push_back({{1, 8, 7, 18}, {5, 5, 18}, {2, 2, Padding::all(2)}});
  all.push_back({{1, 10, 9, 3}, {9, 7, 3}, {1, 1, {4, 4, 3, 3}}});  // more taps than a batch
  all.push_back({{5, 20, 33, 40}, {3, 3, 40}, {1, 1, one}});        // several bands of rows
  all.push_back({{7, 24, 34, 40}, {3, 3, 40}, {2, 2, {0, 1, 0, 1}}});
  for (const LayerCase& layer : layer_cases("DepthwiseConv2D", 1)) {
    all.push_back({layer.x, layer.weight, layer.window});
  }
  return all;
}

/// Calls `visit(x index, weight index, y index)` for every product in the convolution's sums.
template <typename Visit>
void for_each_product(const Case& c, const Visit& visit) {
  const Shape y = c.y();
  const int64_t channels = c.x[3];
  for (int64_t n = 0; n < y[0]; ++n) {
    for (int64_t oh = 0; oh < y[1]; ++oh) {
      for (int64_t ow = 0; ow < y[2]; ++ow) {
        for (int64_t kh = 0; kh < c.weight[0]; ++kh) {
          for (int64_t kw = 0; kw < c.weight[1]; ++kw) {
            const int64_t h = oh * c.window.stride_h + kh - c.window.padding.top;
            const int64_t w = ow * c.window.stride_w + kw - c.window.padding.left;
            if (h < 0 || h >= c.x[1] || w < 0 || w >= c.x[2]) continue;
            for (int64_t k = 0; k < channels; ++k) {
              visit(static_cast<size_t>(((n * c.x[1] + h) * c.x[2] + w) * channels + k),
                    static_cast<size_t>((kh * c.weight[1] + kw) * channels + k),
                    static_cast<size_t>(((n * y[1] + oh) * y[2] + ow) * channels + k));
            }
          }
        }
      }
    }
  }
}

std::vector<double> reference_forward(const Case& c, const std::vector<double>& x,
                                      const std::vector<double>& weight) {
  std::vector<double> y(static_cast<size_t>(c.y().size()));
  for_each_product(c, [&](size_t i, size_t w, size_t o) { y[o] += x[i] * weight[w]; });
  return y;
}

std::vector<double> reference_dgrad(const Case& c, const std::vector<double>& weight,
                                    const std::vector<double>& dy) {
  std::vector<double> dx(static_cast<size_t>(c.x.size()));
  for_each_product(c, [&](size_t i, size_t w, size_t o) { dx[i] += dy[o] * weight[w]; });
  return dx;
}

std::vector<double> reference_wgrad(const Case& c, const std::vector<double>& x,
                                    const std::vector<double>& dy) {
  std::vector<double> dweight(static_cast<size_t>(c.weight.size()));
  for_each_product(c, [&](size_t i, size_t w, size_t o) { dweight[w] += dy[o] * x[i]; });
  return dweight;
}

/// An input with its pending transform, whole-numbered, and what the transform makes of it.
struct Input {
  Tensor raw, scale, shift, value;
  Pending pending;

  Input(const Shape& shape, uint64_t seed)
      : raw(random_integers(shape, -5, 5, seed)),
        scale(random_integers({shape[-1]}, -2, 2, seed + 1)),
        shift(random_integers({shape[-1]}, 1, 4, seed + 2)),  // so that 0 is not a fixed point
        value(poisoned(shape)),
        pending{scale.data(), shift.data(), 0.0f, 6.0f} {
    materialize(raw, pending, value);
  }
};

/// A gradient pending on BatchNorm with batch statistics behind a clip.
struct Gradient {
  Tensor dz, a, b, c, value;
  Input forward;
  PendingGradient pending;

  Gradient(const Shape& shape, uint64_t seed)
      : dz(random_integers(shape, -3, 3, seed)),
        a(random_integers({shape[-1]}, -2, 2, seed + 1)),
        b(random_integers({shape[-1]}, -1, 1, seed + 2)),
        c(random_integers({shape[-1]}, 1, 2, seed + 3)),
        value(poisoned(shape)),
        forward(shape, seed + 4),
        pending{forward.raw.data(), forward.pending, a.data(), b.data(), c.data()} {
    materialize_gradient(dz, pending, value);
  }
};

}  // namespace

TEST_CASE(
    "depthwise_conv2d and its gradients are exact on whole numbers, with or without pending") {
  for_each_device([] {
    for (const Case& c : cases()) {
      CAPTURE(to_string(c.x));
      CAPTURE(to_string(c.weight));
      const Input x(c.x, 1);
      const Tensor weight = random_integers(c.weight, -4, 4, 2);
      const Gradient dy(c.y(), 3);
      const auto y_reference = reference_forward(c, to_double(x.value), to_double(weight));
      const auto dx_reference = reference_dgrad(c, to_double(weight), to_double(dy.value));
      const auto dweight_reference = reference_wgrad(c, to_double(x.value), to_double(dy.value));
      for (bool pending : {false, true}) {
        const Tensor& x_given = pending ? x.raw : x.value;
        const Tensor& dy_given = pending ? dy.dz : dy.value;
        const Pending x_pending = pending ? x.pending : Pending{};
        const PendingGradient dy_pending = pending ? dy.pending : PendingGradient{};
        Tensor y = poisoned(c.y());
        depthwise_conv2d_forward(x_given, x_pending, weight, c.window, y, {});
        REQUIRE(equal_values(y, y_reference));
        for_each_epilogue(c.y(), [&](const Epilogue& epilogue) {
          Tensor finished = poisoned(c.y());
          depthwise_conv2d_forward(x_given, x_pending, weight, c.window, finished, epilogue);
          const auto channels = static_cast<size_t>(c.x[3]);
          REQUIRE(equal_values(finished, reference_epilogue(y_reference, channels, epilogue)));
        });
        Tensor dx = poisoned(c.x);
        depthwise_conv2d_dgrad(dy_given, dy_pending, weight, c.window, dx, nullptr);
        REQUIRE(equal_values(dx, dx_reference));
        Tensor dweight = poisoned(c.weight);
        depthwise_conv2d_wgrad(x_given, x_pending, dy_given, dy_pending, c.window, dweight);
        REQUIRE(equal_values(dweight, dweight_reference));

        IntegerBatchNorm batch_norm(c.x);
        Tensor dx_again = poisoned(c.x);
        Tensor dweight_again = poisoned(c.weight);
        depthwise_conv2d_backward(x_given, x_pending, dy_given, dy_pending, weight, c.window,
                                  dweight_again, dx_again, &batch_norm.norm);
        REQUIRE(equal_values(dx_again, dx_reference));
        REQUIRE(equal_values(dweight_again, dweight_reference));
        REQUIRE(equals_batch_norm_of(dx, batch_norm));
        IntegerBatchNorm alone(c.x);
        depthwise_conv2d_dgrad(dy_given, dy_pending, weight, c.window, dx_again, &alone.norm);
        REQUIRE(equals_batch_norm_of(dx, alone));
      }
    }
  });
}

TEST_CASE("depthwise_conv2d's gradients are those of central differences") {
  const Case c{{1, 5, 4, 3}, {3, 3, 3}, {2, 1, {0, 1, 1, 1}}};
  for_each_device([&] {
    const Tensor x = random_uniform(c.x, -1, 1, 1);
    const Tensor weight = random_uniform(c.weight, -1, 1, 2);
    const Tensor dy = random_uniform(c.y(), -1, 1, 3);
    const auto upstream = to_double(dy);
    const auto loss = [&](const std::vector<double>& x_at, const std::vector<double>& weight_at) {
      const auto y = reference_forward(c, x_at, weight_at);
      double sum = 0;
      for (size_t i = 0; i < y.size(); ++i) sum += y[i] * upstream[i];
      return sum;
    };
    // Gradient of `loss_at` with respect to each element of `at`.
    const auto differences = [](std::vector<double> at, const auto& loss_at) {
      constexpr double kStep = 1e-3;
      std::vector<double> gradient;
      for (double& element : at) {
        const double middle = element;
        element = middle + kStep;
        const double above = loss_at(at);
        element = middle - kStep;
        gradient.push_back((above - loss_at(at)) / (2 * kStep));
        element = middle;
      }
      return gradient;
    };
    Tensor dx = poisoned(c.x);
    depthwise_conv2d_dgrad(dy, {}, weight, c.window, dx, nullptr);
    CHECK(relative_l2(dx, differences(to_double(x), [&](const auto& at) {
                        return loss(at, to_double(weight));
                      })) < 1e-6);
    Tensor dweight = poisoned(c.weight);
    depthwise_conv2d_wgrad(x, {}, dy, {}, c.window, dweight);
    CHECK(relative_l2(dweight, differences(to_double(weight), [&](const auto& at) {
                        return loss(to_double(x), at);
                      })) < 1e-6);
  });
}

TEST_CASE("depthwise_conv2d_forward gathers the moments of its output") {
  for_each_device([] {
    for (const Case& c : cases()) {
      CAPTURE(to_string(c.x));
      const Tensor x = random_uniform(c.x, 5, 6, 1);
      const Tensor weight = random_uniform(c.weight, -1, 1, 2);
      const Shape channels{c.x[3]};
      Tensor y = poisoned(c.y());
      Moments moments{poisoned(channels), poisoned(channels)};
      depthwise_conv2d_forward(x, {}, weight, c.window, y, {.moments = &moments});
      Moments expected{poisoned(channels), poisoned(channels)};
      channel_moments(y, expected);
      CHECK(relative_l2(moments.mean, to_double(expected.mean)) < 1e-6);
      CHECK(relative_l2(moments.variance, to_double(expected.variance)) < 1e-5);
    }
  });
}

namespace {

std::vector<Tensor> rounded_results() {
  const Case c{{7, 24, 34, 40}, {3, 3, 40}, {1, 1, Padding::all(1)}};
  const Tensor x = random_uniform(c.x, -1, 1, 1);
  const Tensor weight = random_uniform(c.weight, -1, 1, 2);
  const Tensor dy = random_uniform(c.y(), -1, 1, 3);
  Tensor y = poisoned(c.y());
  Tensor dx = poisoned(c.x);
  Tensor dweight = poisoned(c.weight);
  Moments moments{poisoned({40}), poisoned({40})};
  depthwise_conv2d_forward(x, {}, weight, c.window, y, {.moments = &moments});
  depthwise_conv2d_dgrad(dy, {}, weight, c.window, dx, nullptr);
  depthwise_conv2d_wgrad(x, {}, dy, {}, c.window, dweight);
  return {y, dx, dweight, moments.mean, moments.variance};
}

}  // namespace

TEST_CASE("expanded_depthwise_conv2d is a 1x1 convolution, then the depthwise one") {
  for_each_device([] {
    std::vector<Case> all = cases();
    // More channels than go through the ring together.
    all.push_back({{1, 5, 60, 70}, {3, 3, 70}, {1, 1, Padding::all(1)}});
    for (const Case& c : all) {
      CAPTURE(to_string(c.x));
      CAPTURE(to_string(c.weight));
      const int64_t channels = c.x[3];
      for (int64_t inputs : {5, 24}) {
        const Tensor x = random_uniform({c.x[0], c.x[1], c.x[2], inputs}, -1, 1, 1);
        const Tensor expand = random_uniform({channels, 1, 1, inputs}, -1, 1, 2);
        const Tensor weight = random_uniform(c.weight, -1, 1, 3);
        const Tensor scale = random_uniform({channels}, -2, 2, 4);
        const Tensor shift = random_uniform({channels}, -1, 1, 5);
        const Tensor residual = random_uniform(c.y(), -1, 1, 6);
        const Pending before{scale.data(), shift.data(), 0, 0.75f};
        const Epilogue epilogue{.pending = {shift.data(), scale.data(), 0, 2},
                                .residual = residual};
        for (const Pending& pending : {Pending{}, before}) {
          Tensor whole = poisoned(c.x);
          Tensor expected = poisoned(c.y());
          conv2d_forward(x, {}, expand, {}, {}, whole, {.pending = pending});
          depthwise_conv2d_forward(whole, {}, weight, c.window, expected, epilogue);
          Tensor packed;
          if (x.device() == Device::cpu) {
            packed = poisoned({conv2d_packed_size(expand.shape(), {}, {})});
            conv2d_pack(expand, {}, {.pending = pending}, packed);
          }
          for (const Tensor& used : {Tensor(), packed}) {
            Tensor y = poisoned(c.y());
            expanded_depthwise_conv2d_forward(x, {expand, pending, used}, weight, c.window, y,
                                              epilogue);
            // A pixel without a tap beyond the image sums the others in the same order.
            REQUIRE(relative_l2(y, to_double(expected)) < 1e-6);
          }
        }
      }
    }
  });
}

TEST_CASE("depthwise_conv2d gives equal bytes in any order of threads") {
  for_each_device([] { require_equal_in_any_order(rounded_results); });
}

TEST_CASE("depthwise_conv2d gives equal bytes within a parallel_for") {
  const auto alone = rounded_results();
  std::vector<Tensor> nested[2];
  const int threads = thread_count();
  set_thread_count(2);
  parallel_for(2, [&](int64_t i) { nested[i] = rounded_results(); });
  set_thread_count(threads);
  for (size_t i = 0; i < alone.size(); ++i) {
    CAPTURE(i);
    CHECK(equal_bytes(alone[i], nested[0][i]));
    CHECK(equal_bytes(alone[i], nested[1][i]));
  }
}

TEST_CASE("depthwise_conv2d names what does not fit") {
  const Tensor x = Tensor::zeros({1, 4, 4, 3});
  const Tensor weight = Tensor::zeros({3, 3, 3});
  Tensor y = Tensor::zeros({1, 4, 4, 3});
  Tensor expanded = Tensor::zeros({1, 4, 4, 5});
  CHECK_THROWS_WITH_AS(expanded_depthwise_conv2d_forward(
                           Tensor::zeros({1, 4, 4, 2}), {Tensor::zeros({5, 3, 3, 2})},
                           Tensor::zeros({3, 3, 5}), {1, 1, Padding::all(1)}, expanded, {}),
                       doctest::Contains("(5, 3, 3, 2)"), Error);
  CHECK_THROWS_WITH_AS(depthwise_conv2d_forward(x, {}, weight, {}, y, {}),
                       doctest::Contains("depthwise_conv2d_forward: y (1, 4, 4, 3), but x (1, 4, "
                                         "4, 3) and weight (3, 3, 3) make it (1, 2, 2, 3)"),
                       Error);
  CHECK_THROWS_WITH_AS(depthwise_conv2d_output_shape(x.shape(), {3, 3, 4}, {}),
                       doctest::Contains("x (1, 4, 4, 3) wants"), Error);
  CHECK_THROWS_WITH_AS(depthwise_conv2d_output_shape(x.shape(), {5, 3, 3}, {}),
                       doctest::Contains("smaller than weight (5, 3, 3)"), Error);
  CHECK_THROWS_WITH_AS(depthwise_conv2d_output_shape(x.shape(), {3, 3, 3}, {0, 1, {}}),
                       doctest::Contains("stride (0, 1)"), Error);
  Tensor dx = Tensor::zeros({1, 5, 4, 3});
  CHECK_THROWS_WITH_AS(depthwise_conv2d_dgrad(y, {}, weight, {}, dx, nullptr),
                       doctest::Contains("depthwise_conv2d_dgrad: dz (1, 4, 4, 3)"), Error);
  Tensor dweight = Tensor::zeros({3, 3, 3});
  CHECK_THROWS_WITH_AS(depthwise_conv2d_wgrad(x, {}, y, {}, {}, dweight),
                       doctest::Contains("depthwise_conv2d_wgrad: dz (1, 4, 4, 3)"), Error);
}

}  // namespace ember
