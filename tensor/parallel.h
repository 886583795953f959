#pragma once

#include <omp.h>

#include <cstdint>

namespace ember {

/// Number of threads the CPU kernels use; at the start, as many as the process may run on.
int thread_count();
void set_thread_count(int count);

/// Calls `body(i)` for i in [0, count), each thread taking one contiguous run of indices, so that a
/// thread meets the same rows from layer to layer. Within another parallel_for it runs on the
/// calling thread alone. For results that do not depend on the number of threads, what `body(i)`
/// writes must depend on i alone, and partial sums must be merged in the order of i afterwards.
/// `body` must not throw.
///
/// Schedule::as_free gives each index to whoever is free instead: for few large ones, of which a
/// thread that the system has interrupted should get fewer.
enum class Schedule { contiguous, as_free };

template <Schedule schedule = Schedule::contiguous, typename Body>
void parallel_for(int64_t count, const Body& body) {
  const int threads =
      omp_in_parallel() ? 1 : static_cast<int>(count < thread_count() ? count : thread_count());
  if (threads <= 1) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  if constexpr (schedule == Schedule::as_free) {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < count; ++i) body(i);
  } else {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t i = 0; i < count; ++i) body(i);
  }
}

}  // namespace ember
