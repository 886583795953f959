#include "bench/kernel_report/step.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bench/kernel_report/occupancy.h"
#include "nn/adam.h"
#include "nn/baseline_cnn.h"
#include "nn/mobilenet_v2.h"
#include "nn/train.h"
#include "tensor/random.h"

namespace ember {
namespace {

constexpr int64_t kClasses = 3;
constexpr int64_t kSector = 32;
const char* const kOutsideLayers = "loss and Adam";

/// Steps after which nothing is allocated and whatever is recorded has been.
constexpr uint64_t kStepsBefore = 4;

BatchView noise_batch(const StepOptions& options) {
  const Philox generator(1, Purpose::augmentation, 0);
  Tensor images({options.batch, options.image_size, options.image_size, 3});
  for (int64_t i = 0; i < images.size(); ++i)
    images.data()[i] = generator.uniform(static_cast<uint64_t>(i));
  LabelTensor labels({options.batch});
  for (int64_t i = 0; i < options.batch; ++i) labels.data()[i] = static_cast<int32_t>(i % kClasses);
  return {images.to(Device::cuda), labels.to(Device::cuda)};
}

Model make_model(const StepOptions& options) {
  Model model = options.model == "mobilenet_v2"
                    ? mobilenet_v2({.image_size = options.image_size}, kClasses)
                    : baseline_cnn(options.image_size, kClasses);
  model.initialize(1);
  if (options.frozen) model.set_trainable(0, base_end(model), false);
  return model;
}

std::string kind_of(const std::string& type, bool backward) {
  return fmt::format("{} {}", type, backward ? "backward" : "forward");
}

/// "conv2d_dgrad_kernel<Tile<32, 32, ...>" without the scope of each argument.
std::string without_scopes(std::string name) {
  constexpr std::string_view kScope = "ember::cuda::";
  for (size_t at = 0; (at = name.find(kScope, at)) != std::string::npos;) {
    name.erase(at, kScope.size());
  }
  return name;
}

void add_shape(std::vector<LaunchShape>& shapes, const emulator::CountedLaunch& launch) {
  const auto found = std::find_if(shapes.begin(), shapes.end(), [&](const LaunchShape& shape) {
    return shape.grid == launch.grid && shape.block == launch.block &&
           shape.dynamic_shared_bytes == launch.dynamic_shared_bytes;
  });
  if (found != shapes.end()) {
    found->launches += 1;
  } else {
    shapes.push_back({launch.grid, launch.block, launch.dynamic_shared_bytes, 1});
  }
}

/// Of the launch that leaves the fewest warps on an SM.
std::map<int, int> fewest_resident_warps(const KernelRow& row) {
  std::map<int, int> fewest;
  for (const auto& [architecture, kernel] : row.compiled) {
    for (const LaunchShape& shape : row.shapes) {
      const auto warps =
          resident_warps(architecture, kernel, shape.threads(), shape.dynamic_shared_bytes);
      if (!warps) continue;
      const auto [entry, first] = fewest.emplace(architecture, *warps);
      if (!first) entry->second = std::min(entry->second, *warps);
    }
  }
  return fewest;
}

std::vector<KernelRow> kernel_rows(const std::vector<emulator::CountedLaunch>& launches,
                                   const CompiledKernels& compiled) {
  std::map<std::string, KernelRow> by_name;
  for (const emulator::CountedLaunch& launch : launches) {
    KernelRow& row = by_name[launch.kernel];
    row.counters += launch.counters;
    add_shape(row.shapes, launch);
  }
  std::vector<KernelRow> rows;
  for (auto& [name, row] : by_name) {
    row.name = without_scopes(name);
    if (const auto found = compiled.find(name); found != compiled.end()) {
      row.compiled = found->second;
    }
    row.resident_warps = fewest_resident_warps(row);
    rows.push_back(std::move(row));
  }
  std::sort(rows.begin(), rows.end(), [](const KernelRow& a, const KernelRow& b) {
    return moved(a.counters) > moved(b.counters);
  });
  return rows;
}

/// In the order of their first launch; what launches nothing and needs no bytes is left out.
std::vector<KindRow> kind_rows(const std::vector<emulator::CountedLaunch>& launches,
                               const std::vector<LayerFloor>& layers, int64_t trained) {
  std::vector<KindRow> rows;
  const auto row_of = [&](const std::string& kind) -> KindRow& {
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [&](const KindRow& row) { return row.kind == kind; });
    return found != rows.end() ? *found : rows.emplace_back(KindRow{.kind = kind});
  };
  for (const emulator::CountedLaunch& launch : launches) {
    KindRow& row = row_of(launch.label);
    row.launches += 1;
    row.moved += moved(launch.counters);
  }
  for (const LayerFloor& layer : layers) {
    if (layer.forward_bytes > 0)
      row_of(kind_of(layer.type, false)).fewest_bytes += layer.forward_bytes;
    if (layer.backward_bytes > 0)
      row_of(kind_of(layer.type, true)).fewest_bytes += layer.backward_bytes;
  }
  row_of(kOutsideLayers).fewest_bytes += kAdamBytes * trained;
  return rows;
}

}  // namespace

int64_t moved(const emulator::KernelCounters& counters) {
  return kSector * (counters.global_load.transactions + counters.global_store.transactions);
}
int64_t distinct(const emulator::KernelCounters& counters) {
  return counters.distinct_read + counters.distinct_written;
}

int64_t StepReport::moved() const {
  int64_t bytes = 0;
  for (const KernelRow& row : kernels) bytes += ember::moved(row.counters);
  return bytes;
}
int64_t StepReport::distinct() const {
  int64_t bytes = 0;
  for (const KernelRow& row : kernels) bytes += ember::distinct(row.counters);
  return bytes;
}
int64_t StepReport::fewest_bytes() const {
  int64_t bytes = 0;
  for (const KindRow& row : kinds) bytes += row.fewest_bytes;
  return bytes;
}

int64_t StepReport::again_bytes() const {
  int64_t bytes = 0;
  for (const LayerFloor& layer : layers) bytes += layer.again_bytes;
  return bytes;
}

std::vector<LayerFloor> layers_of(const StepOptions& options) {
  Model model = make_model(options);
  return layer_floors(model, options.batch);
}

StepReport report_step(const StepOptions& options, const CompiledKernels& compiled) {
  StepReport report{.options = options, .kernels = {}, .kinds = {}, .layers = layers_of(options)};
  Model model = make_model(options);
  model.to(Device::cuda);
  const BatchView batch = noise_batch(options);
  Adam adam(model, {.learning_rate = 1e-4});
  Trainer trainer(model, adam);
  emulator::set_launch_label(kOutsideLayers);
  model.observe([](const Layer* layer, bool backward) {
    emulator::set_launch_label(layer == nullptr ? kOutsideLayers
                                                : kind_of(std::string(layer->type()), backward));
  });
  emulator::set_dry_run(true);
  for (uint64_t number = 0; number < kStepsBefore; ++number) {
    trainer.step(batch, {.training = true, .number = number});
  }
  emulator::set_dry_run(false);

  emulator::set_watch(emulator::Watch::counters);
  const DeviceStats device_before = device_stats();
  const MemoryStats memory_before = memory_stats();
  trainer.step(batch, {.training = true, .number = kStepsBefore});
  const DeviceStats device = device_stats();
  report.copies = device.copies - device_before.copies;
  report.host_waits = device.host_waits - device_before.host_waits;
  report.allocations = memory_stats().allocations - memory_before.allocations;

  const auto& launches = emulator::counted_launches();
  report.launches = static_cast<int64_t>(launches.size());
  report.kernels = kernel_rows(launches, compiled);
  report.kinds = kind_rows(launches, report.layers, model.trainable_count());
  return report;
}

}  // namespace ember
