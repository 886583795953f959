// Whole steps of the study's models at batch 32, 128x128: what a user waits for, on the CPU and on
// a GPU, there with steps replayed as graphs and with each kernel launched. Data is made once, so
// nothing here measures the loader. Threads: all, or OMP_NUM_THREADS.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "nn/adam.h"
#include "nn/baseline_cnn.h"
#include "nn/mobilenet_v2.h"
#include "nn/train.h"
#include "tensor/cuda/status.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

namespace ember {
namespace {

constexpr int64_t kBatch = 32;
constexpr int64_t kSide = 128;
constexpr int64_t kClasses = 3;
constexpr int kWarmUp = 3;  ///< until a step is replayed

BatchView noise_batch(Device device) {
  const Philox generator(1, Purpose::augmentation, 0);
  Tensor images({kBatch, kSide, kSide, 3});
  for (int64_t i = 0; i < images.size(); ++i)
    images.data()[i] = generator.uniform(static_cast<uint64_t>(i));
  LabelTensor labels({kBatch});
  for (int64_t i = 0; i < kBatch; ++i) labels.data()[i] = static_cast<int32_t>(i % kClasses);
  return {images.on(device), labels.on(device)};
}

Model transfer_model(bool frozen) {
  Model model = mobilenet_v2({.image_size = kSide}, kClasses);
  model.initialize(1);
  if (frozen) model.set_trainable(0, base_end(model), false);
  return model;
}

struct Place {
  Device device;
  const char* name;
  bool graphs = true;
};

void set_rates(benchmark::State& state) {
  state.counters["images/s"] = benchmark::Counter(static_cast<double>(kBatch),
                                                  benchmark::Counter::kIsIterationInvariantRate);
  state.counters["threads"] = thread_count();
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
  while (state.KeepRunning()) run(Trainer::kStepsAhead);
  while (trainer.result()) {
  }
  set_rates(state);
}

void frozen_forward(benchmark::State& state, const Place& place) {
  Model model = transfer_model(true);
  model.to(place.device);
  const BatchView batch = noise_batch(place.device);
  model.forward(batch.images, {});
  synchronize(place.device);
  while (state.KeepRunning()) {
    benchmark::DoNotOptimize(model.forward(batch.images, {}).data());
    synchronize(place.device);
  }
  set_rates(state);
}

void frozen_step(benchmark::State& state, const Place& place) {
  run_steps(state, place, transfer_model(true), 1e-3f);
}
void finetune_step(benchmark::State& state, const Place& place) {
  run_steps(state, place, transfer_model(false), 1e-4f);
}
void baseline_step(benchmark::State& state, const Place& place) {
  run_steps(state, place, baseline_cnn(kSide, kClasses), 1e-3f);
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

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 64;
  ember::add_all();
  benchmark::RunSpecifiedBenchmarks();
}
