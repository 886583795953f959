// Each layer alone, forward and backward, against Keras in float64 (tests/golden/layers.py).
#include <doctest/doctest.h>

#include <string>

#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/dense.h"
#include "nn/depthwise_conv2d.h"
#include "nn/dropout.h"
#include "nn/flatten.h"
#include "nn/global_average_pool.h"
#include "nn/max_pool2d.h"
#include "nn/relu.h"
#include "tests/golden.h"

namespace ember {
namespace {

const SafetensorsFile& golden() {
  static const SafetensorsFile file = golden_file("layers");
  return file;
}

/// Runs a layer on tensors of its own, as a model would in a training step, and compares everything
/// that the golden case has: y, dx, the gradients of the parameters.
void check_layer(Layer& layer, const std::string& name, bool training = true) {
  const Tensor x = golden().tensor(name + "/x");
  const Shape in[] = {x.shape()};
  const Shape shape = layer.build(in);
  for (Parameter& parameter : layer.parameters()) {
    parameter.value.copy_from(golden().tensor(name + "/" + parameter.variable));
    parameter.gradient = Tensor::zeros(parameter.value.shape());
  }

  const Step step{.training = training};
  if (auto fold = layer.fold_before(step)) batch_norm_fold({&*fold, 1});
  const Signal inputs[] = {{x, {}}};
  const ByteTensor state(Shape{layer.state_bytes(shape)});
  Tensor out(layer.passes_through() ? Shape{0} : shape);
  const Signal output =
      layer.forward({.inputs = inputs, .out = out, .state = state, .epilogue = {}, .step = step});
  Tensor y(output.raw.shape());
  materialize(output.raw, output.pending, y);
  check_golden(golden(), name + "/y", y);

  // A gradient that is handed through is settled in place.
  const Gradient dy{golden().tensor(name + "/dy"), {}};
  InputGradient dx[] = {{.wanted = true, .buffer = Tensor(x.shape()), .result = {}}};
  layer.backward({.inputs = inputs,
                  .output = output,
                  .state = state,
                  .gradient = dy,
                  .summed = false,
                  .inputs_gradient = dx,
                  .step = step});
  dx[0].result.settle();
  check_golden(golden(), name + "/dx", dx[0].result.dz);
  for (const Parameter& parameter : layer.parameters()) {
    if (!parameter.learned) continue;
    check_golden(golden(), name + "/gradient/" + parameter.variable, parameter.gradient);
  }
}

void check_conv2d(const std::string& name) {
  const Shape kernel = golden().shape(name + "/kernel");
  const auto strides = golden().integers(name + "/stride");
  const auto padding = golden().integers(name + "/padding");
  Conv2D layer("conv2d", {.filters = kernel[0],
                          .kernel = {static_cast<int>(kernel[1]), static_cast<int>(kernel[2])},
                          .strides = {static_cast<int>(strides[0]), static_cast<int>(strides[1])},
                          .padding = PaddingRule::pixels,
                          .pixels = {static_cast<int>(padding[0]), static_cast<int>(padding[1]),
                                     static_cast<int>(padding[2]), static_cast<int>(padding[3])},
                          .bias = golden().contains(name + "/bias")});
  check_layer(layer, name);
}

void check_depthwise(const std::string& name) {
  const auto strides = golden().integers(name + "/stride");
  const auto padding = golden().integers(name + "/padding");
  REQUIRE(strides[0] == strides[1]);
  DepthwiseConv2D layer("depthwise",
                        {.kernel = static_cast<int>(golden().shape(name + "/kernel")[0]),
                         .stride = static_cast<int>(strides[0]),
                         .padding = PaddingRule::pixels,
                         .pixels = {static_cast<int>(padding[0]), static_cast<int>(padding[1]),
                                    static_cast<int>(padding[2]), static_cast<int>(padding[3])}});
  check_layer(layer, name);
}

}  // namespace

TEST_CASE("Conv2D equals Keras") {
  for (const char* name :
       {"conv2d_valid", "conv2d_same", "conv2d_stride2_even", "conv2d_stride2_odd",
        "conv2d_stride2_pytorch", "conv2d_1x1", "conv2d_1x1_stride2", "conv2d_5x3_stride2x1",
        "conv2d_four_sided", "conv2d_one_channel"}) {
    check_conv2d(name);
  }
}

TEST_CASE("the padding rule `same` is TensorFlow's") {
  for (const char* name : {"conv2d_same", "conv2d_stride2_even", "conv2d_stride2_odd"}) {
    const Shape x = golden().shape(std::string(name) + "/x");
    const Shape kernel = golden().shape(std::string(name) + "/kernel");
    const int stride = static_cast<int>(golden().integers(std::string(name) + "/stride")[0]);
    const auto padding = golden().integers(std::string(name) + "/padding");
    const Padding same = Padding::same(x[1], x[2], static_cast<int>(kernel[1]),
                                       static_cast<int>(kernel[2]), stride, stride);
    CHECK(std::vector<int64_t>{same.top, same.bottom, same.left, same.right} == padding);
  }
}

TEST_CASE("DepthwiseConv2D equals Keras") {
  for (const char* name :
       {"depthwise", "depthwise_stride2_even", "depthwise_stride2_odd", "depthwise_stride2_pytorch",
        "depthwise_1x1_image", "depthwise_asymmetric"}) {
    check_depthwise(name);
  }
}

TEST_CASE("BatchNorm equals Keras in training and updates its moving statistics") {
  BatchNorm layer("bn", 1e-3f, 0.999f);
  check_layer(layer, "batch_norm_training");
  for (const char* variable : {"moving_mean", "moving_variance"}) {
    check_golden(golden(), std::string("batch_norm_training/after/") + variable,
                 layer.parameter(variable).value);
  }
}

TEST_CASE("BatchNorm equals Keras in inference") {
  BatchNorm layer("bn");
  layer.use_moving_statistics(true);
  check_layer(layer, "batch_norm_inference");
}

TEST_CASE("Dense equals Keras") {
  for (const std::string name : {"dense", "dense_one_row"}) {
    Dense layer("dense", golden().shape(name + "/kernel")[0]);
    check_layer(layer, name);
  }
}

TEST_CASE("ReLU and ReLU6 equal Keras") {
  ReLU relu("relu");
  check_layer(relu, "relu");
  ReLU relu6("relu6", 6.0f);
  check_layer(relu6, "relu6");
}

TEST_CASE("MaxPool2D equals Keras") {
  for (const char* name : {"max_pool", "max_pool_even"}) {
    MaxPool2D layer("pool", 2);
    check_layer(layer, name);
  }
}

TEST_CASE("GlobalAveragePool equals Keras") {
  GlobalAveragePool layer("pool");
  check_layer(layer, "global_average_pool");
}

TEST_CASE("Dropout keeps the same elements backward as forward, and scales what it keeps") {
  Dropout layer("dropout", 0.5f);
  const Shape shape{20, 50};
  const Shape in[] = {shape};
  layer.build(in);
  const Step step{.training = true, .seed = 5, .number = 3};
  const Signal inputs[] = {{Tensor::filled(shape, 3.0f), {}}};
  const Signal output = layer.forward(
      {.inputs = inputs, .out = Tensor(shape), .state = {}, .epilogue = {}, .step = step});
  InputGradient dx[] = {{.wanted = true, .buffer = Tensor(shape), .result = {}}};
  layer.backward({.inputs = inputs,
                  .output = output,
                  .state = {},
                  .gradient = {Tensor::filled(shape, 1.0f), {}},
                  .summed = false,
                  .inputs_gradient = dx,
                  .step = step});
  int64_t kept = 0;
  for (int64_t i = 0; i < shape.size(); ++i) {
    const float y = output.raw.data()[i];
    REQUIRE((y == 0.0f || y == 6.0f));
    REQUIRE(dx[0].result.dz.data()[i] == y / 3.0f);
    kept += y != 0.0f;
  }
  CHECK(kept > 430);
  CHECK(kept < 570);
}

}  // namespace ember
