#include "nn/model.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "kernels/softmax_cross_entropy.h"
#include "nn/adam.h"
#include "nn/add.h"
#include "nn/architectures.h"
#include "nn/baseline_cnn.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/dense.h"
#include "nn/global_average_pool.h"
#include "nn/mobilenet_v2.h"
#include "nn/model_plan.h"
#include "nn/relu.h"
#include "nn/resnet10.h"
#include "nn/train.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tests/golden.h"
#include "tests/kernels/testing.h"

namespace ember {
namespace {

std::vector<float> values_of(const Tensor& tensor) {
  return {tensor.values().begin(), tensor.values().end()};
}

LabelTensor labels_of(int64_t rows, int32_t classes) {
  LabelTensor labels({rows});
  for (int64_t i = 0; i < rows; ++i) labels.data()[i] = static_cast<int32_t>(i) % classes;
  return labels;
}

MobileNetV2Options small_mobilenet() { return {.image_size = 64, .width_multiplier = 0.35}; }

/// The weights after some training steps on noise.
std::vector<float> train_some_steps(Model& model, int steps, int64_t rows) {
  Adam adam(model, {.learning_rate = 1e-3f});
  Trainer trainer(model, adam);
  const Shape& image = model.image();
  for (int i = 0; i < steps; ++i) {
    const Tensor images =
        random_uniform({rows, image[0], image[1], image[2]}, 0, 1, static_cast<uint64_t>(i));
    trainer.step({images, labels_of(rows, 3)},
                 {.training = true, .seed = 1, .number = static_cast<uint64_t>(i)});
  }
  std::vector<float> all;
  model.for_each_parameter([&](Layer&, Parameter& parameter) {
    const auto values = parameter.value.values();
    all.insert(all.end(), values.begin(), values.end());
  });
  return all;
}

void check_block(const std::string& name, InvertedResidualOptions options) {
  const SafetensorsFile golden = golden_file("layers");
  const bool training = name.ends_with("_training");
  const Tensor x = golden.tensor(name + "/x");
  const Tensor dy = golden.tensor(name + "/dy");
  const int64_t channels = x.dim(3);

  // In front a 1x1 convolution with the unit matrix: its weight's gradient, dx^T x, shows the
  // block's dx.
  Model model("block", {x.dim(1), x.dim(2), channels});
  model.add(Conv2D("front", {.filters = channels, .kernel = {1, 1}, .pixels = {}, .bias = false}));
  options.prefix = "";
  inverted_residual(model, 0, options);
  model.use_moving_statistics(!training);
  model.for_each_parameter([&](Layer& layer, Parameter& parameter) {
    if (layer.name() == "front") {
      for (int64_t c = 0; c < channels; ++c) parameter.value.data()[c * channels + c] = 1.0f;
    } else {
      parameter.value.copy_from(
          golden.tensor(name + "/" + layer.name() + "/" + parameter.variable));
    }
  });

  check_golden(golden, name + "/y", model.forward(x, {.training = true}));
  model.backward(dy.clone());
  model.for_each_parameter([&](Layer& layer, Parameter& parameter) {
    const std::string path = layer.name() + "/" + parameter.variable;
    if (layer.name() == "front") {
      const auto dx = golden.doubles(name + "/dx");
      std::vector<double> expected(static_cast<size_t>(channels * channels));
      for (int64_t row = 0; row < x.size() / channels; ++row) {
        for (int64_t o = 0; o < channels; ++o) {
          for (int64_t i = 0; i < channels; ++i) {
            expected[static_cast<size_t>(o * channels + i)] +=
                dx[static_cast<size_t>(row * channels + o)] * x.data()[row * channels + i];
          }
        }
      }
      CHECK(relative_l2(parameter.gradient, expected) < 1e-4);
    } else if (parameter.learned) {
      check_golden(golden, name + "/gradient/" + path, parameter.gradient);
    } else if (training) {
      check_golden(golden, name + "/after/" + path, parameter.value);
    }
  });
}

}  // namespace

TEST_CASE("the study's models have Keras's parameter counts") {
  CHECK(baseline_cnn(128, 3).parameter_count() == 7'392'707);
  Model transfer = mobilenet_v2({.image_size = 128}, 3);
  CHECK(transfer.parameter_count() == 2'422'339);
  CHECK(transfer.trainable_count() == 2'388'227);
  transfer.set_trainable(0, base_end(transfer), false);
  CHECK(transfer.trainable_count() == 164'355);
  CHECK(mobilenet_v2_base({.image_size = 224}).parameter_count() == 2'257'984);
}

TEST_CASE("the small residual network is smaller than the baseline in every way") {
  const auto macs = [](const Model& model) {
    int64_t sum = 0;
    for (const LayerRow& row : model.summary()) sum += row.macs;
    return sum;
  };
  const Model small = resnet10({.image_size = 128}, 3);
  CHECK(small.parameter_count() == 309'363);
  CHECK(macs(small) < macs(baseline_cnn(128, 3)));
  CHECK(resnet10({.image_size = 17, .width_multiplier = 0.5}, 3).parameter_count() < 100'000);
}

TEST_CASE("architectures are known by name") {
  CHECK(architecture_names() ==
        std::vector<std::string>{"baseline_cnn", "resnet10", "mobilenet_v2"});
  for (const Architecture& known : architectures()) {
    CAPTURE(known.name);
    CHECK(&architecture(known.name) == &known);
    CHECK_FALSE(known.takes(known.smallest_side - 1));
    ModelDescription description{.classes = {"a", "b"}, .image_size = known.smallest_side};
    description.architecture = known.name;
    const Model model = build_model(description);
    CHECK(model.name() == known.name);
    CHECK(model.output_shape(model.last()) == Shape{1, 2});
    description.width_multiplier = 2;
    CHECK((build_model(description).parameter_count() > model.parameter_count()) ==
          known.has_width);
  }
  CHECK_THROWS_WITH_AS(architecture("vgg"), doctest::Contains("resnet10"), Error);
}

// dL/dt of L(w + t d) at t = 0 is the gradient's product with d; here d is the direction of one
// parameter's gradient.
TEST_CASE("the residual network's gradients are slopes of its loss") {
  constexpr int64_t kRows = 8;
  constexpr double kDistance = 1e-3;
  Model model = resnet10({.image_size = 33, .width_multiplier = 0.5}, 3);
  model.initialize(3);
  const Tensor images = random_uniform({kRows, 33, 33, 3}, -1, 1, 5);
  const LabelTensor labels = labels_of(kRows, 3);
  Tensor probabilities({kRows, 3});
  Tensor losses({kRows});
  const auto loss = [&] {
    softmax_cross_entropy_forward(model.forward(images, {.training = true, .seed = 1}), labels,
                                  probabilities, losses);
    const auto values = losses.values();
    return std::accumulate(values.begin(), values.end(), 0.0) / kRows;
  };
  loss();
  Tensor dlogits({kRows, 3});
  softmax_cross_entropy_backward(probabilities, labels, dlogits);
  model.backward(dlogits);

  model.for_each_parameter([&](Layer& layer, Parameter& parameter) {
    if (!parameter.learned) return;
    double squares = 0;
    for (const float g : parameter.gradient.values()) squares += static_cast<double>(g) * g;
    const Tensor gradient = parameter.gradient.clone();
    const Tensor value = parameter.value.clone();
    const auto loss_at = [&](double distance) {
      const auto factor = static_cast<float>(distance / std::sqrt(squares));
      for (int64_t i = 0; i < value.size(); ++i) {
        parameter.value.data()[i] = value.data()[i] + factor * gradient.data()[i];
      }
      return loss();
    };
    const double slope = (loss_at(kDistance) - loss_at(-kDistance)) / (2 * kDistance);
    parameter.value.copy_from(value);
    CAPTURE(name_of(layer, parameter));
    CHECK(slope == doctest::Approx(std::sqrt(squares)).epsilon(0.01));
  });
}

TEST_CASE("inverted residual blocks equal Keras, forward and backward") {
  const SafetensorsFile golden = golden_file("layers");
  for (const char* mode : {"_training", "_inference"}) {
    const auto filters = [&](const std::string& block) {
      return golden.shape(block + mode + "/project/kernel")[0];
    };
    const auto expansion = [&](const std::string& block) {
      const Shape kernel = golden.shape(block + mode + "/expand/kernel");
      return static_cast<int>(kernel[0] / kernel[3]);
    };
    check_block(std::string("block_residual") + mode, {.prefix = "",
                                                       .filters = filters("block_residual"),
                                                       .expansion = expansion("block_residual")});
    check_block(std::string("block_stride2_even") + mode,
                {.prefix = "",
                 .filters = filters("block_stride2_even"),
                 .stride = 2,
                 .expansion = expansion("block_stride2_even")});
    check_block(std::string("block_stride2_odd") + mode,
                {.prefix = "",
                 .filters = filters("block_stride2_odd"),
                 .stride = 2,
                 .expansion = expansion("block_stride2_odd")});
    check_block(std::string("block_without_expansion") + mode,
                {.prefix = "", .filters = filters("block_without_expansion"), .expansion = 1});
  }
}

TEST_CASE("a batch gives each image what it gets alone, on any number of threads") {
  const Tensor images = random_uniform({9, 64, 64, 3}, 0, 1, 9);  // two stages, and a rest
  const int threads = thread_count();
  for (Model& model : std::array{mobilenet_v2(small_mobilenet(), 3), baseline_cnn(64, 3),
                                 resnet10({.image_size = 64}, 3)}) {
    CAPTURE(model.name());
    model.initialize(1);
    set_thread_count(2);
    const std::vector<float> together = values_of(model.forward(images, {}));
    for (int count : {1, 2, 8}) {
      set_thread_count(count);
      std::vector<float> one_by_one;
      for (int64_t i = 0; i < 9; ++i) {
        const auto row = values_of(model.forward(images.rows(i, i + 1), {}));
        one_by_one.insert(one_by_one.end(), row.begin(), row.end());
      }
      CHECK(one_by_one == together);
      CHECK(values_of(model.forward(images, {})) == together);
    }
  }
  set_thread_count(threads);
}

TEST_CASE("frozen layers run for few images at a time, but enough to keep threads busy") {
  CHECK(images_together({1, 16, 16, 96}, 32, 2) == 1);
  CHECK(images_together({1, 15, 17, 96}, 32, 2) == 4);
  CHECK(images_together({1, 8, 8, 96}, 8, 2) == 4);
  CHECK(images_together({1, 8, 8, 96}, 7, 2) == 7);
  CHECK(images_together({1, 4, 4, 96}, 32, 2) == 32);
  CHECK(images_together({1, 64, 64, 3}, 3, 4) == 3);
  CHECK(images_together({1, 1280}, 32, 2) == 32);
}

TEST_CASE("a batch gets the same whichever threads its images fall to") {
  Model model = baseline_cnn(32, 3);
  model.initialize(1);
  const int threads = thread_count();
  set_thread_count(8);  // so many that now and then one of them comes too late for any image
  const Tensor images = random_uniform({8, 32, 32, 3}, -1, 1, 1);
  const Tensor first = model.forward(images, {}).clone();
  for (int pass = 0; pass < 300; ++pass) {
    REQUIRE(equal_bytes(model.forward(images, {}), first));
  }
  set_thread_count(threads);
}

TEST_CASE("training gives equal weights on any number of threads") {
  for (const bool frozen : {false, true}) {
    std::vector<std::vector<float>> results;
    const int threads = thread_count();
    for (int count : {1, 2, 3}) {
      set_thread_count(count);
      Model model = mobilenet_v2(small_mobilenet(), 3);
      model.initialize(1);
      if (frozen) model.set_trainable(0, base_end(model), false);
      results.push_back(train_some_steps(model, 3, 5));
    }
    set_thread_count(threads);
    CHECK(results[0] == results[1]);
    CHECK(results[0] == results[2]);
  }
}

TEST_CASE("the residual network trains to equal weights on any number of threads") {
  std::vector<std::vector<float>> results;
  const int threads = thread_count();
  for (int count : {1, 2, 3}) {
    set_thread_count(count);
    Model model = resnet10({.image_size = 32}, 3);
    model.initialize(1);
    results.push_back(train_some_steps(model, 3, 5));
  }
  set_thread_count(threads);
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("a steady training step allocates nothing") {
  for (const std::string stage : {"baseline", "residual", "frozen", "finetune"}) {
    CAPTURE(stage);
    Model model = stage == "baseline"   ? baseline_cnn(32, 3)
                  : stage == "residual" ? resnet10({.image_size = 32}, 3)
                                        : mobilenet_v2(small_mobilenet(), 3);
    model.initialize(1);
    if (stage == "frozen") model.set_trainable(0, base_end(model), false);
    Adam adam(model, {});
    Trainer trainer(model, adam);
    const Tensor images = random_uniform({4, model.image()[0], model.image()[1], 3}, 0, 1, 1);
    const BatchView batch{images, labels_of(4, 3)};
    trainer.step(batch, {.training = true, .number = 0});
    const int64_t before = memory_stats().allocations;
    for (uint64_t i = 1; i < 4; ++i) trainer.step(batch, {.training = true, .number = i});
    CHECK(memory_stats().allocations == before);
  }
}

TEST_CASE("a short batch after a long one is computed right") {
  Model model = baseline_cnn(32, 3);
  model.initialize(1);
  const Tensor images = random_uniform({6, 32, 32, 3}, 0, 1, 1);
  const auto all = values_of(model.forward(images, {.training = true, .seed = 1}));
  const auto some = values_of(model.forward(images.rows(0, 2), {.training = true, .seed = 1}));
  CHECK(std::equal(some.begin(), some.end(), all.begin()));
}

TEST_CASE("training learns to tell bright images from dark ones") {
  Model model("bright_or_dark", {8, 8, 3});
  model.add(Conv2D("conv2d", {.filters = 4, .pixels = {}, .bias = false}));
  model.add(BatchNorm("bn", 1e-3f, 0.9f));
  model.add(ReLU("relu", 6.0f));
  model.add(GlobalAveragePool("pool"));
  model.add(Dense("dense", 2));
  model.initialize(2);
  Adam adam(model, {.learning_rate = 0.05f});
  Trainer trainer(model, adam);
  const auto batch_of = [](uint64_t seed) {
    Tensor images = random_uniform({16, 8, 8, 3}, 0.0f, 0.6f, seed);
    const LabelTensor labels = labels_of(16, 2);
    for (int64_t i = 0; i < 16; ++i) {
      for (float& pixel : images.rows(i, i + 1).values())
        pixel += 0.4f * static_cast<float>(labels.data()[i]);
    }
    return BatchView{images, labels};
  };
  double loss = 0;
  for (uint64_t i = 0; i < 40; ++i) {
    loss = trainer.step(batch_of(i), {.training = true, .number = i}).loss();
  }
  CHECK(loss < 0.1);

  const BatchView unseen = batch_of(99);
  const Tensor logits = model.forward(unseen.images, {});
  for (int64_t i = 0; i < 16; ++i) {
    CHECK((logits.data()[2 * i + 1] > logits.data()[2 * i]) == (unseen.labels.data()[i] == 1));
  }
}

TEST_CASE("a model refuses what does not fit, and names it") {
  Model model = baseline_cnn(32, 3);
  CHECK_THROWS_WITH_AS(model.forward(Tensor::zeros({1, 16, 16, 3}), {}),
                       doctest::Contains("takes images (N, 32, 32, 3), not (1, 16, 16, 3)"), Error);
  CHECK_THROWS_WITH_AS(model.layer("nobody"), doctest::Contains("no layer nobody"), Error);
  CHECK_THROWS_WITH_AS(model.add(Dense("dense", 3)), doctest::Contains("two layers named dense"),
                       Error);
  CHECK_THROWS_WITH_AS(mobilenet_v2_base({.image_size = 100}), doctest::Contains("multiple of 32"),
                       Error);
  CHECK_THROWS_AS(model.backward(Tensor::zeros({1, 3})), Error);
}

}  // namespace ember
