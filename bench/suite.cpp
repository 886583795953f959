#include "bench/suite.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <utility>

#include "tensor/cuda/timing.h"
#include "tensor/interrupt.h"
#include "tensor/parallel.h"

namespace ember {
namespace {

constexpr const char* kKernelNames[] = {"own", "naive", "cudnn"};

double seconds_of(Device device, const Suite::Call& call) {
  if (device == Device::cuda) return cuda::seconds_of(call);
  const auto begin = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void run(benchmark::State& state, Device device, double copy_bandwidth, const Work& work,
         const Suite::Call& call) {
  try {
    call();
  } catch (const Error& error) {
    if (error.code() != ExitCode::unavailable) throw;
    state.SkipWithError(error.what());
    return;
  }
  double fastest = std::numeric_limits<double>::infinity();
  while (state.KeepRunning()) {
    check_interrupt();
    const double seconds = seconds_of(device, call);
    state.SetIterationTime(seconds);
    fastest = std::min(fastest, seconds);
  }
  const double bytes_a_second = double{sizeof(float)} * static_cast<double>(work.floats) / fastest;
  state.counters["fastest"] = 1e6 * fastest;
  state.counters["B/s"] = bytes_a_second;
  state.counters["FLOP/s"] = 2 * static_cast<double>(work.products) / fastest;
  state.counters["copy%"] = 100 * bytes_a_second / copy_bandwidth;
}

double cpu_copy_bandwidth() {
  constexpr size_t kBytes = size_t{256} << 20;
  const Storage from(Device::cpu, kBytes);
  const Storage to(Device::cpu, kBytes);
  const auto threads = static_cast<size_t>(thread_count());
  const auto on_each_thread = [&](const auto& body) {
    parallel_for(thread_count(), [&](int64_t thread) {
      const size_t begin = kBytes * static_cast<size_t>(thread) / threads;
      body(begin, kBytes * static_cast<size_t>(thread + 1) / threads - begin);
    });
  };
  on_each_thread([&](size_t at, size_t bytes) {
    std::memset(from.data() + at, 1, bytes);
    std::memset(to.data() + at, 1, bytes);
  });
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 5; ++i) {
    best = std::min(best, seconds_of(Device::cpu, [&] {
                      on_each_thread([&](size_t at, size_t bytes) {
                        std::memcpy(to.data() + at, from.data() + at, bytes);
                      });
                    }));
  }
  return 2 * double{kBytes} / best;
}

}  // namespace

std::vector<LayerCase> Suite::layers(std::string_view type) const {
  return layer_cases(type, batch, image_size);
}

Tensor Suite::random(const Shape& shape) const {
  Tensor tensor(shape);
  uint32_t state = 1;
  for (float& value : tensor.values()) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
  }
  return tensor.on(device);
}

Tensor Suite::filled(const Shape& shape, float value) const {
  return Tensor::filled(shape, value, device);
}

void Suite::add(std::string_view operation, const LayerCase& layer, const Work& work,
                std::function<Call()> prepare, Kernels kernels) const {
  const std::string version =
      device == Device::cpu ? "" : fmt::format("/{}", kKernelNames[static_cast<size_t>(kernels)]);
  const std::string full_name = fmt::format("{}/{}{}/{}", operation, name, version, layer.name);
  std::string label = fmt::format("{} to {}", to_string(layer.x), to_string(layer.y));
  if (layer.layers > 1) label += fmt::format(", {} layers", layer.layers);
  const auto body = [on = device, bandwidth = copy_bandwidth, work, prepare = std::move(prepare),
                     label](benchmark::State& state) {
    run(state, on, bandwidth, work, prepare());
    state.SetLabel(label);
  };
  benchmark::RegisterBenchmark(full_name.c_str(), body)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

double copy_bandwidth(Device device) {
  return device == Device::cpu ? cpu_copy_bandwidth() : cuda::copy_bandwidth();
}

}  // namespace ember
