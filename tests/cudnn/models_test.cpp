#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

#include "nn/baseline_cnn.h"
#include "nn/conv2d.h"
#include "nn/depthwise_conv2d.h"
#include "nn/mobilenet_v2.h"
#include "tests/cudnn/testing.h"

namespace ember::cudnn {
namespace {

/// Forward, dgrad and wgrad of each convolution of a model, as its layers call them.
std::vector<Convolution> convolutions_of(Model& model, int64_t batch) {
  std::vector<Convolution> convolutions;
  std::map<std::string, Shape> outputs;
  for (const LayerRow& row : model.summary()) {
    outputs[row.name] = row.output_shape;
    if (row.inputs.empty()) continue;
    Layer& layer = model.layer(row.name);
    const auto* plain = dynamic_cast<const Conv2D*>(&layer);
    const auto* depthwise = dynamic_cast<const DepthwiseConv2D*>(&layer);
    if (plain == nullptr && depthwise == nullptr) continue;
    const Shape& image = outputs.at(row.inputs[0]);
    const Shape x{batch, image[0], image[1], image[2]};
    const Shape& weight = layer.parameter("kernel").value.shape();
    const Window& window = plain != nullptr ? plain->window() : depthwise->window();
    for (const auto direction : {Direction::forward, Direction::dgrad, Direction::wgrad}) {
      Convolution convolution = convolution_of(direction, x, weight, window);
      REQUIRE(convolution.output_height() == row.output_shape[0]);
      REQUIRE(convolution.output_width() == row.output_shape[1]);
      convolution.bias = direction == Direction::forward && layer.parameters().size() == 2;
      convolutions.push_back(convolution);
      // Where an input has several readers, its gradient is added to.
      if (direction == Direction::dgrad && plain != nullptr) {
        convolution.accumulate = true;
        convolutions.push_back(convolution);
      }
    }
  }
  return convolutions;
}

}  // namespace

TEST_CASE("every convolution of both models has a plan, whatever is allowed") {
  if (!installed()) return;
  constexpr int64_t kClasses = 3;
  Model baseline = baseline_cnn(128, kClasses);
  Model mobilenet = mobilenet_v2({}, kClasses);
  Planner planner(described_card());
  int64_t convolutions = 0;
  int64_t largest_workspace = 0;
  for (Model* model : {&baseline, &mobilenet}) {
    for (const int64_t batch : {32, 3}) {
      for (Convolution convolution : convolutions_of(*model, batch)) {
        for (const bool tf32 : {false, true}) {
          for (const bool nondeterministic : {false, true}) {
            convolution.allowed = {tf32, nondeterministic};
            const Planned& planned = planner.find(convolution);
            INFO(to_string(convolution), ": ", planned.refusal);
            REQUIRE(planned.plan);
            REQUIRE(acceptable(planned.plan->notes, convolution.allowed));
            REQUIRE(planned.plan->workspace_bytes <= Planner::kWorkspaceLimit);
            largest_workspace = std::max(largest_workspace, planned.plan->workspace_bytes);
            ++convolutions;
          }
        }
      }
    }
  }
  // 2 layers and 52, each in three directions and with accumulation, but for the 17 depthwise ones,
  // for two batch sizes and four permissions.
  CHECK(convolutions == ((2 + 52) * 4 - 17) * 2 * 4);
  fmt::print("{}: {} convolutions, {} different ones, all planned, workspace {} MiB at most\n",
             std::filesystem::path(device_file()).stem().string(), convolutions, planner.planned(),
             largest_workspace >> 20);
}

}  // namespace ember::cudnn
