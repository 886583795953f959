// The layers of a pass one by one, on one core: how long each takes, what it reaches of that core's
// peaks, and how much of the time that its work needs at the least is waiting. A layer's work is
// that of bench/layer_floor.h, BatchNorm and activation functions counted with the convolution they
// ride with. What it may move a second is what a copy of as many bytes reaches, in whichever cache
// these fit; layers that run for a few images at a time are held against a copy of their bytes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "apps/program.h"
#include "bench/layer_floor.h"
#include "bench/noise.h"
#include "bench/peaks.h"
#include "nn/adam.h"
#include "nn/baseline_cnn.h"
#include "nn/mobilenet_v2.h"
#include "nn/model_plan.h"
#include "nn/trainer.h"
#include "tensor/parallel.h"

namespace ember {
namespace {

constexpr int64_t kClasses = 3;
constexpr int64_t kFloat = sizeof(float);

struct Options {
  std::string pass = "forward";
  int64_t batch = 32;
  int64_t image_size = 128;
  double seconds = 3;
};

/// Takes the time between an observer's calls, for each layer and direction.
class LayerClock {
 public:
  using Part = std::pair<std::string, bool>;  ///< the layer's name, whether backward

  void enter(const Layer* layer, bool backward) {
    const auto now = Clock::now();
    if (running_) pass_[current_] += std::chrono::duration<double>(now - since_).count();
    running_ = layer != nullptr;
    if (running_) current_ = {layer->name(), backward};
    since_ = Clock::now();
  }
  /// Keeps the shortest time of each part: on it other programs had the least influence.
  void finish_pass() {
    for (const auto& [part, seconds] : pass_) {
      double& shortest = seconds_.try_emplace(part, seconds).first->second;
      shortest = std::min(shortest, seconds);
    }
    pass_.clear();
  }
  double seconds(const Part& part) const {
    const auto found = seconds_.find(part);
    return found == seconds_.end() ? 0 : found->second;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::map<Part, double> pass_;
  std::map<Part, double> seconds_;
  Part current_;
  Clock::time_point since_;
  bool running_ = false;
};

Model model_of(const Options& options) {
  Model model = options.pass == "baseline"
                    ? baseline_cnn(options.image_size, kClasses)
                    : mobilenet_v2({.image_size = options.image_size}, kClasses);
  model.initialize(1);
  if (options.pass == "forward") model.set_trainable(0, base_end(model), false);
  return model;
}

/// Runs passes for as long as asked, and a few to warm up.
void run_passes(const Options& options, Model& model, LayerClock& clock) {
  constexpr int kWarmUp = 3;
  const bool training = options.pass != "forward";
  const Tensor images = noise_images(options.batch, options.image_size);
  const LabelTensor labels = LabelTensor::filled({options.batch}, 1);
  Adam adam(model, {.learning_rate = 1e-4f});
  Trainer trainer(model, adam);
  Step step{.training = training};
  const auto pass = [&] {
    step.number += 1;
    if (training) {
      trainer.step({images, labels}, step);
    } else {
      model.forward(images, step);
    }
  };
  for (int i = 0; i < kWarmUp; ++i) pass();
  model.observe([&](const Layer* layer, bool backward) { clock.enter(layer, backward); });
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(options.seconds);
  do {
    pass();
    clock.finish_pass();
  } while (std::chrono::steady_clock::now() < end);
}

void print_row(const std::string& name, double seconds, double flop, int64_t bytes,
               int64_t bytes_at_once, const Peaks& peaks) {
  const double speed = peaks.copy_speed(bytes_at_once);
  const double compute = flop / peaks.flops;
  const double move = static_cast<double>(bytes) / speed;
  fmt::print("{:<28}{:>8.2f}{:>9.1f}{:>7.0f} %{:>8.1f}{:>7.0f} %{:>7.0f} %\n", name, 1e3 * seconds,
             1e-9 * flop / seconds, 100 * compute / seconds,
             1e-9 * static_cast<double>(bytes) / seconds, 100 * move / seconds,
             100 * std::max(compute, move) / seconds);
}

void print_direction(const Options& options, Model& model, const LayerClock& clock,
                     const Peaks& peaks, bool backward) {
  fmt::print("\n{:<28}{:>8}{:>9}{:>9}{:>8}{:>9}{:>9}\n", backward ? "backward" : "forward", "ms",
             "GFLOP/s", "of peak", "GB/s", "of copy", "bound");
  double rest = 0;
  double total = 0;
  double flop_before = 0;  // of a layer that runs within the next one
  int64_t bytes_before = 0;
  for (const LayerFloor& floor : layer_floors(model, options.batch)) {
    const double seconds = clock.seconds({floor.name, backward});
    double flop = backward ? floor.backward_flop : floor.forward_flop;
    int64_t bytes = backward ? floor.backward_bytes : floor.forward_bytes;
    total += seconds;
    if (flop > 0 && seconds == 0) {  // its output is neither written nor read
      flop_before = flop;
      bytes_before = bytes - 2 * kFloat * floor.written;
      continue;
    }
    if (flop == 0) {
      rest += seconds;
      continue;
    }
    flop += std::exchange(flop_before, 0);
    bytes += std::exchange(bytes_before, 0);
    const Shape& shape = floor.output_shape;
    int64_t together = options.batch;
    if (options.pass == "forward" && shape.rank() == 3) {
      together = images_together({1, shape[0], shape[1], shape[2]}, options.batch, 1);
    }
    print_row(floor.name, seconds, flop, bytes, bytes * together / options.batch, peaks);
  }
  fmt::print("{:<28}{:>8.2f}\n{:<28}{:>8.2f}\n", "what multiplies nothing", 1e3 * rest, "all",
             1e3 * total);
}

void report(const Options& options) {
  set_thread_count(1);
  const Peaks peaks = measure_peaks();
  fmt::print("One core: {:.0f} GFLOP/s in registers; a copy reads and writes", 1e-9 * peaks.flops);
  for (size_t i = 1; i < peaks.copies.size(); i += 2) {
    const auto& [bytes, speed] = peaks.copies[i];
    fmt::print("{} {:.0f} GB/s at {} KiB", i == 1 ? "" : ",", 1e-9 * speed, bytes >> 10);
  }
  fmt::print(".\n");
  Model model = model_of(options);
  LayerClock clock;
  run_passes(options, model, clock);
  print_direction(options, model, clock, peaks, false);
  if (options.pass != "forward") print_direction(options, model, clock, peaks, true);
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  using namespace ember;
  Options options;
  CLI::App app("Times the layers of a pass on one core, beside what that core can reach.",
               "bench_layers");
  app.add_option("--pass", options.pass,
                 "forward: the transfer model with a frozen base; finetune: a training step of all "
                 "its layers; baseline: a training step of the baseline CNN")
      ->check(CLI::IsMember({"forward", "finetune", "baseline"}))
      ->capture_default_str();
  app.add_option("--batch", options.batch, "Images")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--image-size", options.image_size, "Pixels a side")
      ->check(CLI::Range(32, 224))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "How long passes are timed")->capture_default_str();
  return run_program(app, argc, argv, [&] { report(options); });
}
