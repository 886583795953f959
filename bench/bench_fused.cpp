#include "bench/suite.h"
#include "kernels/conv2d.h"
#include "kernels/depthwise_conv2d.h"
#include "kernels/max_pool2d.h"

/// Layers that are one operation where the plan allows it: a convolution that pools, as the
/// baseline's, with its gradients, and an inverted residual's expansion within its depthwise
/// convolution.
namespace ember {
namespace {

void bench_pooled(const Suite& suite, const LayerCase& layer) {
  constexpr int kSize = 2;
  const Shape pooled = max_pool2d_output_shape(layer.y, kSize);
  const int64_t products = layer.y.size() * (layer.weight.size() / layer.y[-1]);
  const int64_t choices = pooled.size() / 4;  // bytes, as floats
  const Work work{.floats = layer.x.size() + layer.weight.size() + pooled.size() + choices,
                  .products = products};
  suite.add("conv2d_max_pool2d_forward", layer, work, [=]() -> Suite::Call {
    return [=, x = suite.random(layer.x), weight = suite.random(layer.weight),
            bias = suite.random({layer.y[-1]}), y = suite.zeros(pooled),
            choice = ByteTensor::zeros(pooled, suite.device)]() mutable {
      conv2d_forward(x, {}, weight, bias, layer.window, y, {.pooling = {kSize, choice}});
    };
  });
  const Work gradients{
      .floats = 2 * (layer.x.size() + layer.weight.size() + pooled.size()) + choices,
      .products = 2 * products};
  suite.add("conv2d_max_pool2d_backward", layer, gradients, [=]() -> Suite::Call {
    return [=, x = suite.random(layer.x), weight = suite.random(layer.weight),
            dz = suite.random(pooled), raw = suite.random(pooled),
            choice = ByteTensor::filled(pooled, 3, suite.device),
            dweight = suite.zeros(layer.weight), dbias = suite.zeros({layer.y[-1]}),
            dx = suite.zeros(layer.x)]() mutable {
      const PendingGradient gradient{
          .raw = raw.data(), .forward = {.lower = 0}, .choice = choice.data(), .pool_size = kSize};
      conv2d_backward(x, {}, dz, gradient, weight, layer.window, dweight, dbias,
                      /*accumulate=*/false, dx, nullptr);
    };
  });
}

void bench_expanded(const Suite& suite, const LayerCase& layer) {
  constexpr int64_t kFactor = 6;
  const int64_t channels = layer.x[-1];
  const int64_t inputs = channels / kFactor;
  const Shape narrow{layer.x[0], layer.x[1], layer.x[2], inputs};
  const Work work{
      .floats = narrow.size() + channels * inputs + layer.weight.size() + layer.y.size(),
      .products = layer.x.size() * inputs + layer.y.size() * 9};
  suite.add("expanded_depthwise_conv2d_forward", layer, work, [=]() -> Suite::Call {
    return [=, x = suite.random(narrow), expand = suite.random({channels, 1, 1, inputs}),
            weight = suite.random(layer.weight), y = suite.zeros(layer.y)]() mutable {
      const Pending relu6{.lower = 0, .upper = 6};
      expanded_depthwise_conv2d_forward(x, {expand, relu6}, weight, layer.window, y,
                                        {.pending = relu6});
    };
  });
}

}  // namespace

void bench_fused(const Suite& suite) {
  for (const LayerCase& layer : suite.layers("Conv2D")) {
    if (layer.bias) bench_pooled(suite, layer);
  }
  for (const LayerCase& layer : suite.layers("DepthwiseConv2D")) {
    if (layer.x[-1] % 6 == 0) bench_expanded(suite, layer);
  }
}

}  // namespace ember
