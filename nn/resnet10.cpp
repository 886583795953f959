#include "nn/resnet10.h"

#include <fmt/format.h>

#include "nn/add.h"
#include "nn/batch_norm.h"
#include "nn/channels.h"
#include "nn/conv2d.h"
#include "nn/dense.h"
#include "nn/dropout.h"
#include "nn/global_average_pool.h"
#include "nn/relu.h"

namespace ember {
namespace {

/// A convolution without bias and its BatchNorm, named `name` and `name`_BN.
Value normalised_conv(Model& model, Value input, const std::string& name, int64_t filters,
                      int kernel, int stride) {
  const Value conv = model.add(Conv2D(name, {.filters = filters,
                                             .kernel = {kernel, kernel},
                                             .strides = {stride, stride},
                                             .padding = PaddingRule::same,
                                             .pixels = {},
                                             .bias = false}),
                               {input});
  return model.add(BatchNorm(name + "_BN"), {conv});
}

Value residual_block(Model& model, Value input, const std::string& name, int64_t filters,
                     int stride) {
  Value x = normalised_conv(model, input, name + "_conv1", filters, 3, stride);
  x = model.add(ReLU(name + "_relu1"), {x});
  x = normalised_conv(model, x, name + "_conv2", filters, 3, 1);
  Value shortcut = input;
  if (stride != 1 || model.output_shape(input)[3] != filters) {
    shortcut = normalised_conv(model, input, name + "_shortcut", filters, 1, stride);
  }
  x = model.add(Add(name + "_add"), {shortcut, x});
  return model.add(ReLU(name + "_relu2"), {x});
}

}  // namespace

Model resnet10(const ResNet10Options& options, int64_t classes, float dropout) {
  const auto [side, width] = options;
  Model model("resnet10", {side, side, 3});
  Value x = normalised_conv(model, kInput, "conv0", scaled_channels(16, width), 3, 2);
  x = model.add(ReLU("relu0"), {x});
  int stride = 1;
  for (int block = 1; const int64_t filters : {16, 32, 64, 128}) {
    x = residual_block(model, x, fmt::format("block{}", block++), scaled_channels(filters, width),
                       stride);
    stride = 2;
  }
  model.add(GlobalAveragePool("global_average_pooling2d"));
  model.add(Dropout("dropout", dropout));
  model.add(Dense("dense", classes));
  return model;
}

}  // namespace ember
