#include "nn/inverted_residual.h"

#include "nn/add.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/depthwise_conv2d.h"
#include "nn/relu.h"

namespace ember {

Value inverted_residual(Model& model, Value input, const InvertedResidualOptions& options) {
  const auto& [prefix, filters, stride, expansion, padding, epsilon] = options;
  const int64_t channels = model.output_shape(input)[3];
  const auto pointwise = [](int64_t outputs) {
    return Conv2DOptions{.filters = outputs, .kernel = {1, 1}, .pixels = {}, .bias = false};
  };

  Value x = input;
  if (expansion != 1) {
    x = model.add(Conv2D(prefix + "expand", pointwise(channels * expansion)), {x});
    x = model.add(BatchNorm(prefix + "expand_BN", epsilon, kMobileNetMomentum), {x});
    x = model.add(ReLU(prefix + "expand_relu", 6.0f), {x});
  }
  const bool around = padding == PaddingConvention::pytorch;
  x = model.add(DepthwiseConv2D(prefix + "depthwise",
                                {.stride = stride,
                                 .padding = around ? PaddingRule::pixels : PaddingRule::same,
                                 .pixels = Padding::all(1)}),
                {x});
  x = model.add(BatchNorm(prefix + "depthwise_BN", epsilon, kMobileNetMomentum), {x});
  x = model.add(ReLU(prefix + "depthwise_relu", 6.0f), {x});
  x = model.add(Conv2D(prefix + "project", pointwise(filters)), {x});
  x = model.add(BatchNorm(prefix + "project_BN", epsilon, kMobileNetMomentum), {x});
  if (stride == 1 && channels == filters) x = model.add(Add(prefix + "add"), {input, x});
  return x;
}

}  // namespace ember
