#include "nn/layer_cases.h"

#include <doctest/doctest.h>

#include <utility>

namespace ember {

TEST_CASE("layer_cases has every layer of both models, those that are alike once") {
  for (const auto& [type, count] : {std::pair{"Conv2D", 2 + 35},
                                    {"DepthwiseConv2D", 17},
                                    {"BatchNormalization", 52},
                                    {"Add", 10},
                                    {"MaxPooling2D", 2},
                                    {"Dense", 4},
                                    {"LSTM", 0}}) {
    int layers = 0;
    for (const LayerCase& layer : layer_cases(type, 5)) {
      CHECK(layer.x[0] == 5);
      layers += layer.layers;
    }
    CHECK(layers == count);
  }
}

TEST_CASE("layer_cases describes a layer as its kernels are called") {
  const std::vector<LayerCase> convolutions = layer_cases("Conv2D", 32);
  CHECK(convolutions[0].name == "baseline_cnn/conv2d");
  CHECK(convolutions[0].bias);
  CHECK(convolutions[0].y == Shape{32, 126, 126, 32});
  CHECK(convolutions[2].name == "mobilenet_v2/Conv1");
  CHECK(!convolutions[2].bias);
  CHECK(convolutions[2].x == Shape{32, 128, 128, 3});
  CHECK(convolutions[2].weight == Shape{32, 3, 3, 3});
  CHECK(convolutions[2].y == Shape{32, 64, 64, 32});
  CHECK(convolutions[2].window == Window{2, 2, {0, 1, 0, 1}});
  CHECK(layer_cases("MaxPooling2D", 1)[0].window == Window{2, 2, {}});
  CHECK(layer_cases("Dense", 32)[0].x == Shape{32, 57600});
}

}  // namespace ember
