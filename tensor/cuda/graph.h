#pragma once

#include <functional>
#include <memory>

namespace ember::cuda {

/// Work of the GPU that is recorded once, as a CUDA graph, and then repeated by one call. No CUDA
/// header stands here.
class Graph {
 public:
  /// Records what `work` queues, which is not done by that. Throws what `work` throws, and an Error
  /// where it waits for the GPU or allocates memory there, which a graph cannot.
  explicit Graph(const std::function<void()>& work);
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  /// Queues the work, with the addresses and arguments that it was recorded with: the memory must
  /// still be there. What differs between replays stands in memory (see replayed.cuh).
  void replay();

 private:
  struct Recording;
  std::unique_ptr<Recording> recording_;
};

}  // namespace ember::cuda
