#pragma once

#include <memory>

#include "kernels/cudnn/graph.h"
#include "kernels/cudnn/planner.h"

namespace ember::cudnn {

/// The tensors of a convolution, by their roles in forward: x or dx, weight or dweight, y or dy.
/// Only one of them is written. `bias` is null where there is none.
struct Operands {
  const float* x;
  const float* weight;
  const float* y;
  const float* bias = nullptr;
};

/// cuDNN on the GPU that Ember uses: its handle and its plans, which share one workspace because
/// they run in order on one stream.
class Executor {
 public:
  /// Throws Error(unavailable) where cuDNN cannot be loaded or there is no GPU.
  Executor();

  Planner& planner() { return planner_; }
  /// Whether the tensors begin where plans expect them to, at multiples of 16 bytes.
  static bool takes(const Operands& operands);
  /// Queues the plan on cuda::current_stream(). Throws Error(unavailable) when cuDNN refuses.
  void run(const Plan& plan, const Operands& operands);

 private:
  std::shared_ptr<cudnnContext> handle_;
  Planner planner_;
};

}  // namespace ember::cudnn
