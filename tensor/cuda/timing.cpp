#include "tensor/cuda/timing.h"

#include <algorithm>
#include <limits>

#include "tensor/cuda/check.h"
#include "tensor/cuda/memory.h"
#include "tensor/cuda/status.h"
#include "tensor/cuda/stream.h"
#include "tensor/device.h"

namespace ember::cuda {
namespace {

/// A buffer of several times the second-level cache.
Storage buffer(size_t caches) {
  return {Device::cuda, caches * std::max<size_t>(status().gpus.at(0).cache_bytes, 1)};
}

void write(const Storage& to) {
  EMBER_CUDA_CHECK(cudaMemsetAsync(to.data(), 0, to.bytes(), current_stream()));
}

}  // namespace

double seconds_of(const std::function<void()>& work) {
  static const Storage displacing = buffer(4);
  Event begin(Event::Purpose::timing);
  Event end(Event::Purpose::timing);
  write(displacing);
  begin.record(current_stream());
  work();
  end.record(current_stream());
  end.wait();
  return 1e-3 * static_cast<double>(end.milliseconds_since(begin));
}

double copy_bandwidth() {
  const Storage from = buffer(8);
  const Storage to = buffer(8);
  write(from);
  write(to);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 10; ++i) {
    best = std::min(best, seconds_of([&] {
                      copy(to.data(), from.data(), from.bytes(), Direction::on_device);
                    }));
  }
  return 2 * static_cast<double>(from.bytes()) / best;
}

}  // namespace ember::cuda
