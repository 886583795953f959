#include <doctest/doctest.h>

#include "kernels/adam.h"
#include "kernels/add.h"
#include "kernels/batch_norm.h"
#include "kernels/batch_totals.h"
#include "kernels/conv2d.h"
#include "kernels/dense.h"
#include "kernels/depthwise_conv2d.h"
#include "kernels/dropout.h"
#include "kernels/global_average_pool.h"
#include "kernels/matmul.h"
#include "kernels/max_pool2d.h"
#include "kernels/naive/naive.h"
#include "kernels/softmax_cross_entropy.h"
#include "tests/kernels/testing.h"

/// Every kernel on small odd shapes in many orders of blocks and threads: ctest runs these cases
/// under 200 seeds of the emulated GPU, whose checker watches.
namespace ember {
namespace {

const Shape kShapes[] = {{1, 1, 1, 1}, {2, 3, 5, 3}, {1, 7, 6, 33}, {3, 5, 4, 8}, {2, 9, 7, 20}};

/// An activation with all that may be pending on it and on its gradient, rounded everywhere.
struct Activation {
  Tensor raw, scale, shift, dz, a, b, c;
  Pending pending;
  PendingGradient gradient;

  Activation(const Shape& shape, uint64_t seed)
      : raw(random_uniform(shape, -1, 1, seed)),
        scale(random_uniform({shape[-1]}, -1, 2, seed + 1)),
        shift(random_uniform({shape[-1]}, -1, 1, seed + 2)),
        dz(random_uniform(shape, -1, 1, seed + 3)),
        a(random_uniform({shape[-1]}, -1, 1, seed + 4)),
        b(random_uniform({shape[-1]}, -1, 1, seed + 5)),
        c(random_uniform({shape[-1]}, -1, 1, seed + 6)),
        pending{scale.data(), shift.data(), -0.5f, 0.5f},
        gradient{raw.data(), pending, a.data(), b.data(), c.data()} {}
};

Moments poisoned_moments(int64_t channels) { return {poisoned({channels}), poisoned({channels})}; }

template <typename Body>
void for_each_shape(const Body& body) {
  for_each_device([&] {
    for (const Shape& shape : kShapes) {
      CAPTURE(to_string(shape));
      body(shape);
    }
  });
}

}  // namespace

TEST_CASE("orders: pointwise operations") {
  for_each_shape([](const Shape& shape) {
    const Activation x(shape, 10);
    const Activation other(shape, 20);
    const DropoutMask mask{.rate = 0.4f, .seed = 7, .step = 3};
    require_equal_in_any_order([&] {
      Tensor z = poisoned(shape);
      Tensor dx = poisoned(shape);
      Tensor sum = poisoned(shape);
      Tensor dropped = poisoned(shape);
      Tensor undropped = poisoned(shape);
      materialize(x.raw, x.pending, z);
      materialize_gradient(x.dz, x.gradient, dx);
      add(x.raw, x.pending, other.raw, other.pending, sum);
      dropout_forward(x.raw, x.pending, mask, dropped);
      dropout_backward(x.dz, mask, undropped);
      return std::vector{z, dx, sum, dropped, undropped};
    });
  });
}

TEST_CASE("orders: BatchNorm") {
  for_each_shape([](const Shape& shape) {
    const Activation x(shape, 10);
    const int64_t channels = shape[-1];
    require_equal_in_any_order([&] {
      Moments moments = poisoned_moments(channels);
      Moments moving{filled({channels}, 0), filled({channels}, 1)};
      Tensor scale = poisoned({channels});
      Tensor shift = poisoned({channels});
      Tensor dgamma = poisoned({channels});
      Tensor dbeta = poisoned({channels});
      BatchNormCoefficients coefficients{poisoned({channels}), poisoned({channels}),
                                         poisoned({channels})};
      channel_moments(x.raw, moments);
      BatchNormFold fold{x.a, x.b, moments, 1e-3f, scale, shift, &moving, 0.9f};
      batch_norm_fold({&fold, 1});
      batch_norm_backward(x.dz,
                          {x.raw, x.pending, x.a, moments, 1e-3f, dgamma, dbeta, &coefficients});
      return std::vector{
          moments.mean, moments.variance, moving.mean,    moving.variance, scale, shift, dgamma,
          dbeta,        coefficients.a,   coefficients.b, coefficients.c};
    });
  });
}

TEST_CASE("orders: convolutions") {
  for_each_shape([](const Shape& shape) {
    const Activation x(shape, 10);
    const Window pointwise;
    const Window same{2, 1, Padding::all(1)};
    for (const auto& [kernel, window] : {std::pair{1, pointwise}, std::pair{3, same}}) {
      const Shape weight_shape{36, kernel, kernel, shape[3]};
      const Tensor weight = random_uniform(weight_shape, -1, 1, 1);
      const Tensor bias = random_uniform({36}, -1, 1, 2);
      const Shape out = conv2d_output_shape(shape, weight_shape, window);
      const Activation y(out, 20);
      require_equal_in_any_order([&, &kernel_window = window] {
        Tensor result = poisoned(out);
        Moments moments = poisoned_moments(36);
        Tensor dx = poisoned(shape);
        Tensor dweight = poisoned(weight_shape);
        Tensor dbias = poisoned({36});
        const Tensor gamma = filled({36}, 2);
        Moments moving{filled({36}, 0), filled({36}, 1)};
        BatchNormFold fold{gamma,          gamma,          moments, 1e-3f,
                           poisoned({36}), poisoned({36}), &moving, 0.9f};
        conv2d_forward(x.raw, x.pending, weight, bias, kernel_window, result, {.fold = &fold});
        Tensor finished = poisoned(out);
        conv2d_forward(
            x.raw, x.pending, weight, bias, kernel_window, finished,
            {.pending = {fold.scale.data(), fold.shift.data(), 0, 6}, .residual = y.raw});
        conv2d_dgrad(y.dz, y.gradient, weight, kernel_window, false, dx, nullptr);
        conv2d_wgrad(x.raw, x.pending, y.dz, y.gradient, kernel_window, dweight, dbias);
        return std::vector{result,     moments.mean, moments.variance, moving.mean, moving.variance,
                           fold.scale, fold.shift,   finished,         dx,          dweight,
                           dbias};
      });
    }
  });
}

TEST_CASE("orders: depthwise convolutions") {
  for_each_shape([](const Shape& shape) {
    const Activation x(shape, 10);
    const Tensor weight = random_uniform({3, 3, shape[3]}, -1, 1, 1);
    // The last one is left to the kernels that take any window.
    for (const Window& window : {Window{1, 1, Padding::all(1)}, Window{2, 2, Padding::all(1)},
                                 Window{2, 1, Padding::all(1)}}) {
      const Shape out = depthwise_conv2d_output_shape(shape, weight.shape(), window);
      const Activation y(out, 20);
      require_equal_in_any_order([&] {
        Tensor result = poisoned(out);
        Moments moments = poisoned_moments(shape[3]);
        Tensor dx = poisoned(shape);
        Tensor dweight = poisoned(weight.shape());
        BatchNormFold fold{x.a, x.b, moments, 1e-3f, poisoned({shape[3]}), poisoned({shape[3]})};
        depthwise_conv2d_forward(x.raw, x.pending, weight, window, result, {.fold = &fold});
        Tensor finished = poisoned(out);
        depthwise_conv2d_forward(
            x.raw, x.pending, weight, window, finished,
            {.pending = {fold.scale.data(), fold.shift.data(), 0, 6}, .residual = y.raw});
        depthwise_conv2d_dgrad(y.dz, y.gradient, weight, window, dx, nullptr);
        depthwise_conv2d_wgrad(x.raw, x.pending, y.dz, y.gradient, window, dweight);
        return std::vector{result,   moments.mean, moments.variance, fold.scale, fold.shift,
                           finished, dx,           dweight};
      });
    }
  });
}

TEST_CASE("orders: matrix products and dense layers") {
  for_each_shape([](const Shape& shape) {
    const int64_t rows = shape[0] * shape[1];
    const int64_t inputs = shape[2] * shape[3];
    const int64_t outputs = 19;
    const Activation x({rows, inputs}, 10);
    const Activation y({rows, outputs}, 20);
    const Tensor weight = random_uniform({outputs, inputs}, -1, 1, 1);
    const Tensor bias = random_uniform({outputs}, -1, 1, 2);
    require_equal_in_any_order([&] {
      Tensor result = poisoned({rows, outputs});
      Tensor dx = poisoned({rows, inputs});
      Tensor dweight = poisoned({outputs, inputs});
      Tensor dbias = poisoned({outputs});
      dense_forward(x.raw, x.pending, weight, bias, result);
      dense_dgrad(y.dz, y.gradient, weight, dx);
      dense_wgrad(x.raw, x.pending, y.dz, y.gradient, dweight, dbias);
      Tensor product = poisoned({rows, inputs});
      Tensor product_nt = poisoned({rows, outputs});
      Tensor product_tn = poisoned({inputs, outputs});
      matmul(y.raw, weight, product);
      matmul_nt(x.raw, weight, product_nt);
      matmul_tn(x.raw, y.raw, product_tn);
      return std::vector{result, dx, dweight, dbias, product, product_nt, product_tn};
    });
  });
}

TEST_CASE("orders: pooling, the loss and Adam") {
  for_each_shape([](const Shape& shape) {
    const Activation x(shape, 10);
    const int64_t rows = shape[0] * shape[1] * shape[2];
    const Tensor logits = x.raw.reshape({rows, shape[3]});
    const LabelTensor labels = on_device(LabelTensor::filled({rows}, 0));
    const int size = shape[1] > 1 ? 2 : 1;
    const Shape pooled = max_pool2d_output_shape(shape, size);
    require_equal_in_any_order([&] {
      Tensor mean = poisoned({shape[0], shape[3]});
      Tensor spread = poisoned(shape);
      global_average_pool_forward(x.raw, x.pending, mean);
      global_average_pool_backward(mean, spread);
      Tensor maxima = poisoned(pooled);
      ByteTensor choice = on_device(ByteTensor::filled(pooled, 255));
      Tensor dx = poisoned(shape);
      max_pool2d_forward(x.raw, x.pending, size, maxima, choice);
      max_pool2d_backward(maxima, {.choice = choice.data(), .pool_size = size}, dx);
      Tensor probabilities = poisoned(logits.shape());
      Tensor losses = poisoned({rows});
      Tensor dlogits = poisoned(logits.shape());
      softmax_cross_entropy_forward(logits, labels, probabilities, losses);
      softmax_cross_entropy_backward(probabilities, labels, dlogits);
      TensorOf<BatchTotals> totals({1}, test_device);
      batch_totals(probabilities, losses, labels, totals);
      const auto loss = static_cast<float>(totals.to(Device::cpu).data()[0].loss);
      std::vector<AdamSlot> slots;
      for (const Tensor& value : {x.raw, x.scale}) {
        slots.push_back({value.clone(), value, filled(value.shape(), 0), filled(value.shape(), 0)});
      }
      adam(slots, {}, 1);
      return std::vector{mean,   spread,  maxima,         dx,         probabilities,
                         losses, dlogits, slots[0].value, slots[1].v, filled({1}, loss)};
    });
  });
}

TEST_CASE("orders: sums that several blocks share") {
  for_each_device([] {
    const Shape shape{2, 16, 16, 36};
    const int64_t rows = 512;
    const Activation x(shape, 10);
    const Activation y({2, 16, 16, 8}, 20);
    require_equal_in_any_order([&] {
      Moments moments = poisoned_moments(36);
      Tensor dgamma = poisoned({36});
      Tensor dbeta = poisoned({36});
      Tensor dweight = poisoned({8, 1, 1, 36});
      Tensor dbias = poisoned({8});
      Tensor product = poisoned({8, 36});
      channel_moments(x.raw, moments);
      batch_norm_backward(x.dz, {x.raw, x.pending, x.a, moments, 1e-3f, dgamma, dbeta, nullptr});
      conv2d_wgrad(x.raw, x.pending, y.dz, y.gradient, {}, dweight, dbias);
      matmul_tn(y.raw.reshape({rows, 8}), x.raw.reshape({rows, 36}), product);
      return std::vector{moments.mean, moments.variance, dgamma, dbeta, dweight, dbias, product};
    });
  });
}

TEST_CASE("orders: the naive kernels") {
  for_each_shape([](const Shape& shape) {
    if (test_device == Device::cpu) return;
    const Activation x(shape, 10);
    const int64_t channels = shape[3];
    const Window window{1, 1, Padding::all(1)};
    const Tensor weight = random_uniform({5, 3, 3, channels}, -1, 1, 1);
    const Tensor depthwise_weight = random_uniform({3, 3, channels}, -1, 1, 2);
    const Tensor rows = x.raw.reshape({shape.size() / channels, channels});
    const Tensor square = random_uniform({channels, channels}, -1, 1, 3);
    require_equal_in_any_order([&] {
      Tensor product = poisoned(rows.shape());
      Tensor y = poisoned(conv2d_output_shape(shape, weight.shape(), window));
      Tensor depthwise_y = poisoned(shape);
      Tensor normalised = poisoned(shape);
      cuda::naive::matmul(rows, square, product);
      cuda::naive::conv2d_forward(x.raw, weight, {}, window, y);
      cuda::naive::depthwise_conv2d_forward(x.raw, depthwise_weight, window, depthwise_y);
      cuda::naive::batch_norm_forward(x.raw, x.scale, x.shift, 1e-3f, normalised);
      return std::vector{product, y, depthwise_y, normalised};
    });
  });
}

}  // namespace ember
