#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bench/kernel_report/cards.h"
#include "bench/kernel_report/compiled_kernels.h"
#include "bench/layer_floor.h"
#include "kernels/emulator/emulator.h"

/// One training step on the emulated GPU, taken apart.
namespace ember {

struct StepOptions {
  std::string model = "mobilenet_v2";
  bool frozen = false;
  int64_t image_size = 128;
  int64_t batch = 32;
  Card card = kCards[3];
};

/// Launches of one kernel that are of the same shape.
struct LaunchShape {
  std::array<unsigned, 3> grid;
  std::array<unsigned, 3> block;
  int64_t dynamic_shared_bytes = 0;
  int64_t launches = 0;

  int threads() const { return static_cast<int>(block[0] * block[1] * block[2]); }
};

struct KernelRow {
  std::string name;
  emulator::KernelCounters counters;
  std::vector<LaunchShape> shapes;
  std::map<int, CompiledKernel> compiled;  ///< by architecture; none where nvcc has not been asked
  std::map<int, int> resident_warps;  ///< by architecture, of the launch that leaves the fewest
};

/// A kind of layer in one direction, or the loss and the optimizer.
struct KindRow {
  std::string kind;  ///< "Conv2D forward"
  int64_t launches = 0;
  int64_t moved = 0;         ///< bytes
  int64_t fewest_bytes = 0;  ///< see layer_floor.h
};

struct StepReport {
  StepOptions options;
  std::vector<KernelRow> kernels;  ///< that which moves most first
  std::vector<KindRow> kinds;
  std::vector<LayerFloor> layers;
  int64_t launches = 0;
  int64_t copies = 0;
  int64_t host_waits = 0;
  int64_t allocations = 0;

  int64_t moved() const;
  int64_t distinct() const;
  int64_t fewest_bytes() const;
  int64_t again_bytes() const;
};

/// Bytes of the sectors that the warps asked for, and of those sectors counted once a launch.
int64_t moved(const emulator::KernelCounters& counters);
int64_t distinct(const emulator::KernelCounters& counters);

/// The layers alone, without running anything.
std::vector<LayerFloor> layers_of(const StepOptions& options);

StepReport report_step(const StepOptions& options, const CompiledKernels& compiled);

}  // namespace ember
