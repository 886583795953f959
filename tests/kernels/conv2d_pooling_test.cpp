#include <doctest/doctest.h>

#include <algorithm>

#include "kernels/conv2d.h"
#include "kernels/max_pool2d.h"
#include "tests/kernels/conv2d_cases.h"

namespace ember {
namespace {

/// Calls `body(case, size, pooled shape)` for each convolution whose output has a whole window.
template <typename Body>
void for_each_pooling(const Body& body) {
  std::vector<ConvolutionCase> cases(std::begin(kConvolutionCases), std::end(kConvolutionCases));
  cases.push_back({"as the baseline's second layer", {2, 15, 15, 32}, {64, 3, 3, 32}, {}});
  for_each_device([&] {
    for (const ConvolutionCase& c : cases) {
      const Shape y = output_shape(c);
      for (int size : {2, 3}) {
        if (std::min(y[1], y[2]) < size) continue;
        CAPTURE(c.name);
        CAPTURE(size);
        body(c, size, max_pool2d_output_shape(y, size));
      }
    }
  });
}

}  // namespace

TEST_CASE("conv2d_forward pools in its epilogue what max_pool2d makes of its output") {
  for_each_pooling([](const ConvolutionCase& c, int size, const Shape& pooled) {
    const Tensor x = random_integers(c.x, -2, 2, 1);
    const Tensor weight = random_integers(c.weight, -1, 1, 2);
    const Tensor bias = random_integers({c.weight[0]}, -9, 9, 3);
    const IntegerPending transform(c.x[3]);
    const IntegerPending behind(c.weight[0]);
    for (const Pending& pending : {Pending{}, behind.pending}) {
      Tensor whole = poisoned(output_shape(c));
      Tensor expected = poisoned(pooled);
      ByteTensor expected_choice = on_device(ByteTensor::filled(pooled, 255));
      conv2d_forward(x, transform.pending, weight, bias, c.window, whole, {.pending = pending});
      max_pool2d_forward(whole, {}, size, expected, expected_choice);
      Tensor y = poisoned(pooled);
      const ByteTensor choice = on_device(ByteTensor::filled(pooled, 255));
      conv2d_forward(x, transform.pending, weight, bias, c.window, y,
                     {.pending = pending, .pooling = {size, choice}});
      REQUIRE(equal_bytes(y, expected));
      REQUIRE(equal_bytes(choice, expected_choice));
    }
  });
}

TEST_CASE("conv2d's gradients spread out one that was pooled") {
  for_each_pooling([](const ConvolutionCase& c, int size, const Shape& pooled) {
    const Tensor x = random_integers(c.x, -2, 2, 1);
    const Tensor weight = random_integers(c.weight, -1, 1, 2);
    const Tensor dz = random_integers(pooled, -2, 2, 3);
    const IntegerPending x_transform(c.x[3]);
    const IntegerPendingGradient dz_transform(pooled);
    Tensor y = poisoned(pooled);
    const ByteTensor choice = on_device(ByteTensor::filled(pooled, 255));
    conv2d_forward(x, x_transform.pending, weight, {}, c.window, y, {.pooling = {size, choice}});
    for (PendingGradient pending : {PendingGradient{}, dz_transform.pending}) {
      pending.choice = choice.data();
      pending.pool_size = size;
      Tensor dy = poisoned(output_shape(c));
      max_pool2d_backward(dz, pending, dy);
      Tensor dx_expected = poisoned(c.x);
      Tensor dweight_expected = poisoned(c.weight);
      Tensor dbias_expected = poisoned({c.weight[0]});
      conv2d_dgrad(dy, {}, weight, c.window, false, dx_expected, nullptr);
      conv2d_wgrad(x, x_transform.pending, dy, {}, c.window, dweight_expected, dbias_expected);

      Tensor dx = poisoned(c.x);
      Tensor dweight = poisoned(c.weight);
      Tensor dbias = poisoned({c.weight[0]});
      conv2d_dgrad(dz, pending, weight, c.window, false, dx, nullptr);
      REQUIRE(equal_bytes(dx, dx_expected));
      conv2d_wgrad(x, x_transform.pending, dz, pending, c.window, dweight, dbias);
      REQUIRE(equal_bytes(dweight, dweight_expected));
      REQUIRE(equal_bytes(dbias, dbias_expected));

      Tensor dx_along = poisoned(c.x);
      Tensor dweight_along = poisoned(c.weight);
      IntegerBatchNorm batch_norm(c.x);
      conv2d_backward(x, x_transform.pending, dz, pending, weight, c.window, dweight_along, dbias,
                      false, dx_along, &batch_norm.norm);
      REQUIRE(equal_bytes(dx_along, dx_expected));
      REQUIRE(equal_bytes(dweight_along, dweight_expected));
      REQUIRE(equals_batch_norm_of(dx_expected, batch_norm));
    }
  });
}

TEST_CASE("an epilogue that pools has nothing else that reads the output") {
  const Tensor x = Tensor::zeros({1, 4, 4, 3});
  const Tensor weight = Tensor::zeros({8, 1, 1, 3});
  Tensor y = Tensor::zeros({1, 2, 2, 8});
  const Pooling pooling{2, ByteTensor::zeros(y.shape())};
  CHECK_THROWS_WITH_AS(
      conv2d_forward(x, {}, weight, {}, {}, y, {.residual = y.clone(), .pooling = pooling}),
      doctest::Contains("an epilogue that pools has neither residual nor moments"), Error);
  Tensor whole = Tensor::zeros({1, 4, 4, 8});
  CHECK_THROWS_WITH_AS(conv2d_forward(x, {}, weight, {}, {}, whole, {.pooling = pooling}),
                       doctest::Contains("give (1, 2, 2, 8), not (1, 4, 4, 8)"), Error);
  const Pooling other{2, ByteTensor::zeros({1, 2, 2, 4})};
  CHECK_THROWS_WITH_AS(conv2d_forward(x, {}, weight, {}, {}, y, {.pooling = other}),
                       doctest::Contains("choice (1, 2, 2, 4)"), Error);
}

}  // namespace ember
