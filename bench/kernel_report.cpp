// What the kernels of one training step do to memory, counted on the emulated GPU: nothing here is
// a time.
//   MB moved   32-byte sectors that the warps asked for, loads and stores
//   re-read    how often each sector was asked for
//   sectors    of the fewest that the bytes asked for fit into, 1 being perfect
//   banks      passes over shared memory's banks, of the fewest
//   lanes      of a warp's 32 that took part in an access
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/program.h"
#include "kernels/emulator/emulator.h"
#include "nn/adam.h"
#include "nn/baseline_cnn.h"
#include "nn/mobilenet_v2.h"
#include "nn/train.h"
#include "tensor/random.h"

namespace ember {
namespace {

constexpr int64_t kClasses = 3;

struct Options {
  std::string model = "mobilenet_v2";
  bool frozen = false;
  int64_t image_size = 128;
  int64_t batch = 2;
};

BatchView noise_batch(const Options& options) {
  const Philox generator(1, Purpose::augmentation, 0);
  Tensor images({options.batch, options.image_size, options.image_size, 3});
  for (int64_t i = 0; i < images.size(); ++i)
    images.data()[i] = generator.uniform(static_cast<uint64_t>(i));
  LabelTensor labels({options.batch});
  for (int64_t i = 0; i < options.batch; ++i) labels.data()[i] = static_cast<int32_t>(i % kClasses);
  return {images.to(Device::cuda), labels.to(Device::cuda)};
}

Model make_model(const Options& options) {
  Model model = options.model == "mobilenet_v2"
                    ? mobilenet_v2({.image_size = options.image_size}, kClasses)
                    : baseline_cnn(options.image_size, kClasses);
  model.initialize(1);
  if (options.frozen) model.set_trainable(0, base_end(model), false);
  model.to(Device::cuda);
  return model;
}

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
}

double megabytes(int64_t bytes) { return static_cast<double>(bytes) * 1e-6; }

constexpr int64_t kSector = 32;

/// Bytes of all sectors that the requests of a kernel made, and of those sectors counted once.
int64_t moved(const emulator::KernelCounters& k) {
  return kSector * (k.global_load.transactions + k.global_store.transactions);
}
int64_t distinct(const emulator::KernelCounters& k) { return k.distinct_read + k.distinct_written; }

/// "conv2d_dgrad_kernel<Tile<32, 32, ...>" of its full name.
std::string short_name(std::string name) {
  constexpr std::string_view kScope = "ember::cuda::";
  for (size_t at = 0; (at = name.find(kScope, at)) != std::string::npos;) {
    name.erase(at, kScope.size());
  }
  return name;
}

std::string row(const std::string& name, const emulator::KernelCounters& k) {
  const int64_t requests = k.global_load.requests + k.global_store.requests;
  return fmt::format("{:>8} {:>7} {:>9.2f} {:>8.2f} {:>8.2f} {:>6.2f} {:>5.0f} %  {}\n", k.launches,
                     k.blocks, megabytes(moved(k)), ratio(moved(k), distinct(k)),
                     ratio(k.global_load.transactions + k.global_store.transactions,
                           k.global_load.fewest + k.global_store.fewest),
                     ratio(k.shared_load.transactions + k.shared_store.transactions,
                           k.shared_load.fewest + k.shared_store.fewest),
                     100 * ratio(k.global_load.lanes + k.global_store.lanes, 32 * requests),
                     short_name(name));
}

void report(const Options& options) {
  Model model = make_model(options);
  const BatchView batch = noise_batch(options);
  Adam adam(model, {.learning_rate = 1e-4});
  Trainer trainer(model, adam);
  emulator::set_dry_run(true);
  trainer.step(batch, {.training = true});
  emulator::set_dry_run(false);

  emulator::set_watch(emulator::Watch::counters);
  const DeviceStats device_before = device_stats();
  const MemoryStats memory_before = memory_stats();
  trainer.step(batch, {.training = true, .number = 1});
  const DeviceStats device = device_stats();
  const MemoryStats memory = memory_stats();

  using Row = std::pair<std::string, emulator::KernelCounters>;
  const auto counters = emulator::counters();
  std::vector<Row> rows(counters.begin(), counters.end());
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return moved(a.second) > moved(b.second); });
  fmt::print("{:>8} {:>7} {:>9} {:>8} {:>8} {:>6} {:>7}  {}\n", "launches", "blocks", "MB moved",
             "re-read", "sectors", "banks", "lanes", "kernel");
  int64_t bytes = 0;
  for (const auto& [name, k] : rows) {
    fmt::print("{}", row(name, k));
    bytes += moved(k);
  }
  fmt::print(
      "\nThe step: {} launches, {} copies, {} waits of the host, {} allocations, {:.1f} MB "
      "moved.\n",
      device.launches - device_before.launches, device.copies - device_before.copies,
      device.host_waits - device_before.host_waits, memory.allocations - memory_before.allocations,
      megabytes(bytes));
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  ember::Options options;
  CLI::App app("Counts what the kernels of a training step do, on the emulated GPU.",
               "kernel_report");
  app.add_option("--model", options.model, "mobilenet_v2 or baseline_cnn")
      ->check(CLI::IsMember({"mobilenet_v2", "baseline_cnn"}))
      ->capture_default_str();
  app.add_flag("--frozen", options.frozen, "Train the head of mobilenet_v2 alone");
  app.add_option("--image-size", options.image_size, "Pixels a side")
      ->check(CLI::Range(32, 224))
      ->capture_default_str();
  app.add_option("--batch", options.batch, "Images: the counts grow with them, the ratios do not")
      ->check(CLI::Range(1, 32))
      ->capture_default_str();
  return ember::run_program(app, argc, argv, [&] { ember::report(options); });
}
