// Whole steps of the study's models, by default at its batch 32 of 128x128: what a user waits for,
// on the CPU and on a GPU, there with steps replayed as graphs and with each kernel launched. Data
// is made once, so nothing here measures the loader. Threads: all, or OMP_NUM_THREADS.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "apps/program.h"
#include "bench/benchmark_flags.h"
#include "bench/noise.h"
#include "nn/adam.h"
#include "nn/baseline_cnn.h"
#include "nn/mobilenet_v2.h"
#include "nn/train.h"
#include "tensor/cuda/status.h"
#include "tensor/parallel.h"

namespace ember {
namespace {

constexpr int64_t kClasses = 3;
constexpr int kWarmUp = 3;  ///< until a step is replayed

struct Sizes {
  int64_t batch = 32;
  int64_t image_size = 128;
  double width = 1.0;  ///< of MobileNetV2
};
Sizes sizes;  // NOLINT: of all benchmarks, set before the first one

BatchView noise_batch(Device device) {
  LabelTensor labels({sizes.batch});
  for (int64_t i = 0; i < sizes.batch; ++i) labels.data()[i] = static_cast<int32_t>(i % kClasses);
  return {noise_images(sizes.batch, sizes.image_size).on(device), labels.on(device)};
}

Model transfer_model(bool frozen) {
  Model model =
      mobilenet_v2({.image_size = sizes.image_size, .width_multiplier = sizes.width}, kClasses);
  model.initialize(1);
  if (frozen) model.set_trainable(0, base_end(model), false);
  return model;
}

struct Place {
  Device device;
  const char* name;
  bool graphs = true;
};

/// The times of steps one by one.
class StepTimes {
 public:
  void end_step() {
    const auto now = Clock::now();
    milliseconds_.push_back(std::chrono::duration<double, std::milli>(now - since_).count());
    since_ = now;
  }
  double median() {
    const auto middle = milliseconds_.begin() + static_cast<int64_t>(milliseconds_.size() / 2);
    std::nth_element(milliseconds_.begin(), middle, milliseconds_.end());
    return *middle;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<double> milliseconds_;
  Clock::time_point since_ = Clock::now();
};

void set_rates(benchmark::State& state, StepTimes& times) {
  state.counters["images/s"] = benchmark::Counter(static_cast<double>(sizes.batch),
                                                  benchmark::Counter::kIsIterationInvariantRate);
  state.counters["median_ms"] = times.median();  // interruptions move it less than the mean
  state.counters["threads"] = thread_count();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_MB"] = static_cast<double>(usage.ru_maxrss) * 1024e-6;  // of the process
}

void run_steps(benchmark::State& state, const Place& place, Model model, float learning_rate) {
  model.to(place.device);
  const BatchView batch = noise_batch(place.device);
  Adam adam(model, {.learning_rate = learning_rate});
  Trainer trainer(model, adam, place.graphs);
  Step step{.training = true};
  const auto run = [&](int64_t most_pending) {
    step.number += 1;
    trainer.queue(batch, step);
    while (const auto result = trainer.result(most_pending)) {
      benchmark::DoNotOptimize(result->totals.loss);
    }
  };
  for (int warm_up = 0; warm_up < kWarmUp; ++warm_up) run(0);
  // As in fit(): the host is some steps ahead of a GPU.
  StepTimes times;
  while (state.KeepRunning()) {
    run(Trainer::kStepsAhead);
    times.end_step();
  }
  while (trainer.result()) {
  }
  set_rates(state, times);
}

void frozen_forward(benchmark::State& state, const Place& place) {
  Model model = transfer_model(true);
  model.to(place.device);
  const BatchView batch = noise_batch(place.device);
  model.forward(batch.images, {});
  synchronize(place.device);
  StepTimes times;
  while (state.KeepRunning()) {
    benchmark::DoNotOptimize(model.forward(batch.images, {}).data());
    synchronize(place.device);
    times.end_step();
  }
  set_rates(state, times);
}

void frozen_step(benchmark::State& state, const Place& place) {
  run_steps(state, place, transfer_model(true), 1e-3f);
}
void finetune_step(benchmark::State& state, const Place& place) {
  run_steps(state, place, transfer_model(false), 1e-4f);
}
void baseline_step(benchmark::State& state, const Place& place) {
  run_steps(state, place, baseline_cnn(sizes.image_size, kClasses), 1e-3f);
}

void add(const std::string& name, void (*bench)(benchmark::State&, const Place&),
         const Place& place) {
  benchmark::RegisterBenchmark((name + "/" + place.name).c_str(),
                               [=](benchmark::State& state) { bench(state, place); })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

/// Steps on the CPU and, where there is one, on a real GPU.
void add_all() {
  std::vector<Place> places{{.device = Device::cpu, .name = "cpu"}};
  if (const cuda::Status& status = cuda::status(); status.usable() && !status.emulated) {
    places.push_back({.device = Device::cuda, .name = "cuda"});
    places.push_back({.device = Device::cuda, .name = "cuda/launched", .graphs = false});
  }
  for (const Place& place : places) {
    if (place.graphs) add("frozen_forward", frozen_forward, place);
    add("frozen_step", frozen_step, place);
    add("finetune_step", finetune_step, place);
    add("baseline_step", baseline_step, place);
  }
}

void run(const std::vector<std::string>& rest) {
  take_benchmark_flags(rest, "bench_steps");
  add_all();
  benchmark::RunSpecifiedBenchmarks();
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  using ember::sizes;
  CLI::App app("Times whole steps of the study's models, on the CPU and on a GPU.", "bench_steps");
  app.add_option("--batch", sizes.batch, "Images")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--image-size", sizes.image_size, "Pixels a side")
      ->check(CLI::Range(32, 1024))
      ->capture_default_str();
  app.add_option("--width", sizes.width, "MobileNetV2's width multiplier")
      ->check(CLI::Range(0.1, 2.0))
      ->capture_default_str();
  app.allow_extras();
  app.footer("Google Benchmark's options are taken, too: --benchmark_filter=REGEX.");
  return ember::run_program(app, argc, argv, [&] { ember::run(app.remaining()); });
}
