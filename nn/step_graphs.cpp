#include "nn/step_graphs.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/device.h"
#include "tensor/error.h"

namespace ember {

void StepGraphs::run(const StepKind& kind, const std::function<void()>& prepare_replay,
                     const std::function<void()>& step) {
  if (!enabled_) return step();
  if (memory_changes_ != device_stats().memory_changes) {
    recorded_.clear();
    steady_.reset();
    memory_changes_ = device_stats().memory_changes;
  }
  const auto found = std::find_if(recorded_.begin(), recorded_.end(),
                                  [&](const Recorded& other) { return other.kind == kind; });
  if (found != recorded_.end()) {
    prepare_replay();
    return found->graph.replay();
  }
  if (steady_ == kind) {
    prepare_replay();
    memory_changes_ = device_stats().memory_changes;  // the first time, it makes room
    if (record(kind, step)) return recorded_.back().graph.replay();
  }
  step();
  steady_.reset();
  if (memory_changes_ == device_stats().memory_changes) steady_ = kind;
}

bool StepGraphs::record(const StepKind& kind, const std::function<void()>& step) {
  try {
    recorded_.push_back({kind, cuda::Graph(step)});
  } catch (const Error& error) {
    fmt::print(stderr, "note: each kernel of a training step is launched by itself: {}\n",
               error.what());
    enabled_ = false;
  }
  return enabled_;
}

}  // namespace ember
