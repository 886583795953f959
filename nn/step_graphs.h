#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "kernels/conv_backend.h"
#include "tensor/cuda/graph.h"

namespace ember {

/// All that the kernels of a training step on a GPU, and their arguments, depend on. What differs
/// between steps of one kind stands in the GPU's memory.
struct StepKind {
  const void* images;
  const void* labels;
  int64_t rows;
  int64_t model_version;
  uint64_t seed;  ///< Step::seed
  ConvBackend conv;

  bool operator==(const StepKind&) const = default;
};

/// Repeats training steps as CUDA graphs. A small step has hundreds of kernels of some
/// microseconds, which the host launches more slowly than the GPU runs them; a graph is one call.
///
/// A step is recorded when one of its kind has just run without allocating on the GPU, and replayed
/// until memory there is made or given back, as a graph holds addresses. Kinds are few: the batches
/// of an epoch, and its last, shorter one.
class StepGraphs {
 public:
  explicit StepGraphs(bool enabled) : enabled_(enabled) {}

  /// Does `step`, by its launches or as a graph; before a graph, calls `prepare_replay` to set what
  /// differs. When recording fails, a line on stderr says why, and all steps are launched from then
  /// on.
  void run(const StepKind& kind, const std::function<void()>& prepare_replay,
           const std::function<void()>& step);

 private:
  struct Recorded {
    StepKind kind;
    cuda::Graph graph;
  };

  bool record(const StepKind& kind, const std::function<void()>& step);

  bool enabled_;
  int64_t memory_changes_ = 0;      ///< when `recorded_` and `steady_` were last right
  std::vector<Recorded> recorded_;  ///< what can be replayed
  std::optional<StepKind> steady_;  ///< of the last step launched, if it has not allocated
};

}  // namespace ember
