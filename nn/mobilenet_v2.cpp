#include "nn/mobilenet_v2.h"

#include <fmt/format.h>

#include <array>

#include "nn/batch_norm.h"
#include "nn/channels.h"
#include "nn/conv2d.h"
#include "nn/dense.h"
#include "nn/dropout.h"
#include "nn/global_average_pool.h"
#include "nn/relu.h"

namespace ember {
namespace {

struct Stage {
  int64_t filters;
  int stride;  ///< of the first block
  int blocks;
};
// Table 2 of the paper; every block but the first expands its channels by 6.
constexpr std::array<Stage, 7> kStages{
    {{16, 1, 1}, {24, 2, 2}, {32, 2, 3}, {64, 2, 4}, {96, 1, 3}, {160, 2, 3}, {320, 1, 1}}};
constexpr int64_t kFeatures = 1280;

}  // namespace

Model mobilenet_v2_base(const MobileNetV2Options& options) {
  const auto [side, width, padding, epsilon] = options;
  EMBER_REQUIRE(side >= 32 && side % 32 == 0,
                "MobileNetV2 takes a side that is a multiple of 32, not {}", side);
  const bool around = padding == PaddingConvention::pytorch;

  Model model("mobilenet_v2", {side, side, 3});
  model.add(Conv2D("Conv1", {.filters = scaled_channels(32, width),
                             .strides = {2, 2},
                             .padding = around ? PaddingRule::pixels : PaddingRule::same,
                             .pixels = Padding::all(1),
                             .bias = false}));
  model.add(BatchNorm("bn_Conv1", epsilon, kMobileNetMomentum));
  model.add(ReLU("Conv1_relu", 6.0f));

  int block = 0;
  for (const auto& [filters, stride, blocks] : kStages) {
    for (int i = 0; i < blocks; ++i, ++block) {
      inverted_residual(model, model.last(),
                        {.prefix = block == 0 ? "expanded_conv_" : fmt::format("block_{}_", block),
                         .filters = scaled_channels(filters, width),
                         .stride = i == 0 ? stride : 1,
                         .expansion = block == 0 ? 1 : 6,
                         .padding = padding,
                         .epsilon = epsilon});
    }
  }

  const int64_t features = width > 1.0 ? scaled_channels(kFeatures, width) : kFeatures;
  model.add(Conv2D("Conv_1", {.filters = features, .kernel = {1, 1}, .pixels = {}, .bias = false}));
  model.add(BatchNorm("Conv_1_bn", epsilon, kMobileNetMomentum));
  model.add(ReLU("out_relu", 6.0f));
  return model;
}

Model mobilenet_v2(const MobileNetV2Options& options, int64_t classes, float dropout) {
  Model model = mobilenet_v2_base(options);
  model.add(GlobalAveragePool("global_average_pooling2d"));
  model.add(Dense("dense", 128, Activation::relu));
  model.add(Dropout("dropout", dropout));
  model.add(Dense("dense_1", classes));
  return model;
}

Value base_end(Model& model) {
  for (Value value = model.last(); value >= 0; --value) {
    if (model.layer(value).name() == "out_relu") return value;
  }
  fail(ExitCode::internal, "{} has no layer out_relu", model.name());
}

}  // namespace ember
