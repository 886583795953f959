// Whole steps of the study's models at batch 32, 128x128: what a user waits for. Data is made once,
// so nothing here measures the loader. Threads: all, or OMP_NUM_THREADS.
#include <benchmark/benchmark.h>

#include "nn/adam.h"
#include "nn/baseline_cnn.h"
#include "nn/mobilenet_v2.h"
#include "nn/train.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

namespace ember {
namespace {

constexpr int64_t kBatch = 32;
constexpr int64_t kSide = 128;
constexpr int64_t kClasses = 3;

BatchView noise_batch() {
  const Philox generator(1, Purpose::augmentation, 0);
  Tensor images({kBatch, kSide, kSide, 3});
  for (int64_t i = 0; i < images.size(); ++i)
    images.data()[i] = generator.uniform(static_cast<uint64_t>(i));
  LabelTensor labels({kBatch});
  for (int64_t i = 0; i < kBatch; ++i) labels.data()[i] = static_cast<int32_t>(i % kClasses);
  return {images, labels};
}

Model transfer_model(bool frozen) {
  Model model = mobilenet_v2({.image_size = kSide}, kClasses);
  model.initialize(1);
  if (frozen) model.set_trainable(0, base_end(model), false);
  return model;
}

void run_steps(benchmark::State& state, Model model, float learning_rate) {
  const BatchView batch = noise_batch();
  Adam adam(model, {.learning_rate = learning_rate});
  Trainer trainer(model, adam);
  Step step{.training = true};
  trainer.step(batch, step);
  while (state.KeepRunning()) {
    step.number += 1;
    benchmark::DoNotOptimize(trainer.step(batch, step).loss());
  }
  state.counters["images/s"] = benchmark::Counter(static_cast<double>(kBatch),
                                                  benchmark::Counter::kIsIterationInvariantRate);
  state.counters["threads"] = thread_count();
}

void frozen_forward(benchmark::State& state) {
  Model model = transfer_model(true);
  const BatchView batch = noise_batch();
  model.forward(batch.images, {});
  while (state.KeepRunning()) benchmark::DoNotOptimize(model.forward(batch.images, {}).data());
  state.counters["images/s"] = benchmark::Counter(static_cast<double>(kBatch),
                                                  benchmark::Counter::kIsIterationInvariantRate);
  state.counters["threads"] = thread_count();
}

void frozen_step(benchmark::State& state) { run_steps(state, transfer_model(true), 1e-3f); }
void finetune_step(benchmark::State& state) { run_steps(state, transfer_model(false), 1e-4f); }
void baseline_step(benchmark::State& state) {
  run_steps(state, baseline_cnn(kSide, kClasses), 1e-3f);
}

BENCHMARK(frozen_forward)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(frozen_step)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(finetune_step)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(baseline_step)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace ember

BENCHMARK_MAIN();
