#pragma once

#include <functional>

/// How long the GPU takes; no CUDA header stands here.
namespace ember::cuda {

/// Seconds that the GPU takes for what `work` queues, between two events. Before it, a buffer of
/// four times the second-level cache is written, so that the cache holds nothing that the work
/// reads. Meanwhile the host queues the work: its launches cost no time as long as they are through
/// before the writing is. Waits until the work is done.
double seconds_of(const std::function<void()>& work);

/// Bytes that a copy within the GPU's memory reads and writes a second, each byte counted twice:
/// the best of ten copies of eight times the second-level cache.
double copy_bandwidth();

}  // namespace ember::cuda
