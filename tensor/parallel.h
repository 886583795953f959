#pragma once

#include <omp.h>

#include <atomic>
#include <cstdint>

namespace ember {

/// Number of threads the CPU kernels use; at the start, as many as the process may run on or as
/// OMP_NUM_THREADS says.
int thread_count();
void set_thread_count(int count);

/// Threads for `count` pieces of work: within another parallel region the calling one alone.
inline int threads_for(int64_t count) {
  if (omp_in_parallel() != 0) return 1;
  return static_cast<int>(count < thread_count() ? count : thread_count());
}

/// Calls `body(i)` for i in [0, count), each thread taking one contiguous run of indices, so that a
/// thread meets the same rows from layer to layer. For results that do not depend on the number of
/// threads, what `body(i)` writes must depend on i alone, and partial sums must be merged in the
/// order of i afterwards. `body` must not throw.
template <typename Body>
void parallel_for(int64_t count, const Body& body) {
  const int threads = threads_for(count);
  if (threads <= 1) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t i = 0; i < count; ++i) body(i);
}

/// The same for few large pieces: each goes to whoever is free, so that a thread that the system
/// has interrupted gets fewer.
template <typename Body>
void parallel_tasks(int64_t count, const Body& body) {
  std::atomic<int64_t> next = 0;
  const auto work = [&] {
    for (int64_t i = next++; i < count; i = next++) body(i);
  };
  const int threads = threads_for(count);
  if (threads <= 1) {
    work();
    return;
  }
#pragma omp parallel num_threads(threads)
  work();
}

}  // namespace ember
