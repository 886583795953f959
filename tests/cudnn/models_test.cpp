#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "nn/layer_cases.h"
#include "tests/cudnn/testing.h"

namespace ember::cudnn {
namespace {

/// Forward, dgrad and wgrad of a layer, as it calls them.
std::vector<Convolution> convolutions_of(const LayerCase& layer) {
  std::vector<Convolution> convolutions;
  for (const auto direction : {Direction::forward, Direction::dgrad, Direction::wgrad}) {
    Convolution convolution = convolution_of(direction, layer.x, layer.weight, layer.window);
    REQUIRE(convolution.output_height() == layer.y[1]);
    REQUIRE(convolution.output_width() == layer.y[2]);
    convolution.bias = direction == Direction::forward && layer.bias;
    convolutions.push_back(convolution);
    // Where an input has several readers, its gradient is added to.
    if (direction == Direction::dgrad && !convolution.depthwise) {
      convolution.accumulate = true;
      convolutions.push_back(convolution);
    }
  }
  return convolutions;
}

}  // namespace

TEST_CASE("every convolution of both models has a plan, whatever is allowed") {
  if (!installed()) return;
  Planner planner(described_card());
  int layers = 0;
  int64_t largest_workspace = 0;
  for (const char* type : {"Conv2D", "DepthwiseConv2D"}) {
    for (const int64_t batch : {32, 3}) {
      for (const LayerCase& layer : layer_cases(type, batch)) {
        layers += layer.layers;
        for (Convolution convolution : convolutions_of(layer)) {
          for (const bool tf32 : {false, true}) {
            for (const bool nondeterministic : {false, true}) {
              convolution.allowed = {tf32, nondeterministic};
              const Planned& planned = planner.find(convolution);
              INFO(to_string(convolution), ": ", planned.refusal);
              REQUIRE(planned.plan);
              REQUIRE(acceptable(planned.plan->notes, convolution.allowed));
              REQUIRE(planned.plan->workspace_bytes <= Planner::kWorkspaceLimit);
              largest_workspace = std::max(largest_workspace, planned.plan->workspace_bytes);
            }
          }
        }
      }
    }
  }
  CHECK(layers == 2 * (2 + 52));  // those of the baseline and of MobileNetV2, in two batch sizes
  fmt::print("{}: {} convolutions planned, workspace {} MiB at most\n",
             std::filesystem::path(device_file()).stem().string(), planner.planned(),
             largest_workspace >> 20);
}

}  // namespace ember::cudnn
