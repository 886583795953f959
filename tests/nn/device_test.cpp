#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "nn/adam.h"
#include "nn/baseline_cnn.h"
#include "nn/mobilenet_v2.h"
#include "nn/train.h"
#include "tests/devices.h"
#include "tests/nn/formula.h"

/// Whole models on every device: what the CPU computes is the reference.
namespace ember {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kBatch = 8;

BatchView batch_of(uint32_t number) {
  BatchView batch{Tensor({kBatch, kSide, kSide, 3}), LabelTensor({kBatch})};
  for (int64_t row = 0; row < kBatch; ++row) {
    const auto sample =
        formula::training_sample(number * kBatch + static_cast<uint32_t>(row), kSide);
    batch.labels.data()[row] = sample.label;
    float* to = batch.images.data() + row * kSide * kSide * 3;
    for (const uint8_t byte : sample.image.values()) *to++ = static_cast<float>(byte) / 255.0f;
  }
  return batch;
}

/// Losses of `steps` training steps, and of the batch after them in inference.
std::vector<double> losses_of(Model model, Device device, uint32_t steps) {
  model.initialize(1);
  model.to(device);
  Adam adam(model, {.learning_rate = 1e-3});
  Trainer trainer(model, adam);
  std::vector<double> losses;
  for (uint32_t number = 0; number < steps; ++number) {
    losses.push_back(
        trainer.step(batch_of(number), {.training = true, .seed = 1, .number = number}).loss);
  }
  return losses;
}

}  // namespace

TEST_CASE("the baseline trains on every device as on the CPU") {
  const std::vector<double> expected = losses_of(baseline_cnn(kSide, 3), Device::cpu, 5);
  REQUIRE(expected.back() < expected.front());
  for (Device device : test_devices()) {
    const std::vector<double> losses = losses_of(baseline_cnn(kSide, 3), device, 5);
    for (size_t i = 0; i < expected.size(); ++i) {
      INFO("step " << i << ": " << losses[i] << ", on the CPU " << expected[i]);
      CHECK(std::abs(losses[i] - expected[i]) <= 1e-4 * expected[i]);
    }
  }
}

TEST_CASE("MobileNetV2 trains on every device as on the CPU") {
  const auto model = [] {
    return mobilenet_v2({.image_size = kSide, .width_multiplier = 0.35}, 3);
  };
  const std::vector<double> expected = losses_of(model(), Device::cpu, 5);
  for (Device device : test_devices()) {
    const std::vector<double> losses = losses_of(model(), device, 5);
    for (size_t i = 0; i < expected.size(); ++i) {
      INFO("step " << i << ": " << losses[i] << ", on the CPU " << expected[i]);
      // Statistics of small batches carry rounding from step to step, and enlarge it.
      CHECK(std::abs(losses[i] - expected[i]) <= (i == 0 ? 1e-5 : 1e-2) * expected[i]);
    }
  }
}

}  // namespace ember
