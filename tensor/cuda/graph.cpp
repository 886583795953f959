#include "tensor/cuda/graph.h"

#include <utility>

#include "tensor/cuda/check.h"
#include "tensor/cuda/stats.h"
#include "tensor/cuda/stream.h"

namespace ember::cuda {
namespace {

struct GraphDeleter {
  void operator()(cudaGraph_t graph) const { EMBER_CUDA_REPORT(cudaGraphDestroy(graph)); }
};
struct ExecutableDeleter {
  void operator()(cudaGraphExec_t graph) const { EMBER_CUDA_REPORT(cudaGraphExecDestroy(graph)); }
};
using GraphHandle = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, GraphDeleter>;
using ExecutableHandle = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, ExecutableDeleter>;

/// Ends the recording of a stream that an error has cut short, and forgets what was recorded.
void abandon_capture() {
  cudaGraph_t graph = nullptr;
  static_cast<void>(cudaStreamEndCapture(current_stream(), &graph));
  static_cast<void>(cudaGetLastError());
  if (graph != nullptr) GraphHandle{graph};
}

GraphHandle capture(const std::function<void()>& work) {
  // Other threads may go on allocating: only what this one does would spoil the recording.
  EMBER_CUDA_CHECK(cudaStreamBeginCapture(current_stream(), cudaStreamCaptureModeThreadLocal));
  try {
    work();
  } catch (...) {
    abandon_capture();
    throw;
  }
  cudaGraph_t graph = nullptr;
  EMBER_CUDA_CHECK(cudaStreamEndCapture(current_stream(), &graph));
  return GraphHandle(graph);
}

}  // namespace

struct Graph::Recording {
  ExecutableHandle executable;
  DeviceStats stats;  ///< what a replay does
};

Graph::Graph(const std::function<void()>& work) : recording_(std::make_unique<Recording>()) {
  const DeviceStats before = device_stats();
  GraphHandle graph;
  try {
    graph = capture(work);
  } catch (...) {
    take_back(before);
    throw;
  }
  recording_->stats = take_back(before);
  cudaGraphExec_t executable = nullptr;
  EMBER_CUDA_CHECK(cudaGraphInstantiate(&executable, graph.get(), 0));
  recording_->executable.reset(executable);
}

Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

void Graph::replay() {
  EMBER_CUDA_CHECK(cudaGraphLaunch(recording_->executable.get(), current_stream()));
  count_replay(recording_->stats);
}

}  // namespace ember::cuda
