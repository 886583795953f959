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

BatchView batch_of(uint32_t number, int64_t rows) {
  BatchView batch{Tensor({rows, kSide, kSide, 3}), LabelTensor({rows})};
  for (int64_t row = 0; row < rows; ++row) {
    const auto sample = formula::training_sample(
        number * static_cast<uint32_t>(rows) + static_cast<uint32_t>(row), kSide);
    batch.labels.data()[row] = sample.label;
    float* to = batch.images.data() + row * kSide * kSide * 3;
    for (const uint8_t byte : sample.image.values()) *to++ = static_cast<float>(byte) / 255.0f;
  }
  return batch;
}

/// Losses of five training steps.
std::vector<double> losses_of(Model model, Device device, int64_t rows, double learning_rate) {
  model.initialize(1);
  model.to(device);
  Adam adam(model, {.learning_rate = learning_rate});
  Trainer trainer(model, adam);
  std::vector<double> losses;
  for (uint32_t number = 0; number < 5; ++number) {
    losses.push_back(
        trainer.step(batch_of(number, rows), {.training = true, .seed = 1, .number = number}).loss);
  }
  return losses;
}

}  // namespace

TEST_CASE("the baseline trains on every device as on the CPU") {
  const std::vector<double> expected = losses_of(baseline_cnn(kSide, 3), Device::cpu, 8, 1e-3);
  REQUIRE(expected.back() < expected.front());
  for (Device device : test_devices()) {
    const std::vector<double> losses = losses_of(baseline_cnn(kSide, 3), device, 8, 1e-3);
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
  const std::vector<double> expected = losses_of(model(), Device::cpu, 32, 2e-5);
  for (Device device : test_devices()) {
    const std::vector<double> losses = losses_of(model(), device, 32, 2e-5);
    for (size_t i = 0; i < expected.size(); ++i) {
      INFO("step " << i << ": " << losses[i] << ", on the CPU " << expected[i]);
      // Adam's first steps take the sign of each gradient, and batch statistics enlarge what
      // rounding makes of those near 0: hence the small steps.
      CHECK(std::abs(losses[i] - expected[i]) <= (i == 0 ? 1e-5 : 1e-2) * expected[i]);
    }
  }
}

namespace {

/// What the third step of MobileNetV2 takes, with the base frozen or not; images and labels lie on
/// the device.
struct StepCost {
  int64_t launches;
  int64_t allocations;
};
StepCost cost_of_step(Device device, bool frozen) {
  constexpr int64_t kRows = 2;
  Model model = mobilenet_v2({.image_size = kSide, .width_multiplier = 0.35}, 3);
  model.initialize(1);
  model.to(device);
  if (frozen) model.set_trainable(0, base_end(model), false);
  Adam adam(model, {.learning_rate = 1e-3});
  Trainer trainer(model, adam);
  const BatchView host = batch_of(0, kRows);
  const BatchView batch{host.images.to(device), host.labels.to(device)};
  DeviceStats launched{};
  MemoryStats allocated{};
  for (uint64_t number = 0; number < 3; ++number) {
    launched = device_stats();
    allocated = memory_stats();
    trainer.step(batch, {.training = true, .seed = 1, .number = number});
  }
  return {device_stats().launches - launched.launches,
          memory_stats().allocations - allocated.allocations};
}

}  // namespace

TEST_CASE("a training step takes few launches and no allocation on every device") {
  for (Device device : test_devices()) {
    const StepCost frozen = cost_of_step(device, true);
    const StepCost finetune = cost_of_step(device, false);
    MESSAGE(to_string(device) << ": " << frozen.launches << " launches with the base frozen, "
                              << finetune.launches << " when all of it trains");
    CHECK(frozen.allocations == 0);
    CHECK(finetune.allocations == 0);
    CHECK(frozen.launches <= 130);
    CHECK(finetune.launches <= 420);
    CHECK((finetune.launches > 0) == (device == Device::cuda));
  }
}

}  // namespace ember
