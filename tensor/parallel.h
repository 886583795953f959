#pragma once

#include <omp.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <vector>

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

/// [0, count) cut into one contiguous run for each thread. Threads take pieces of their own run,
/// then of the others': one that the system interrupts leaves its work to the rest.
class SharedRuns {
 public:
  SharedRuns(int64_t count, int threads)
      : runs_(threads < kMost ? threads : kMost),
        piece_(count < runs_ * kPieces ? 1 : count / (runs_ * kPieces)) {
    for (int i = 0; i < runs_; ++i) {
      run_[i].next = count * i / runs_;
      run_[i].end = count * (i + 1) / runs_;
    }
  }

  /// Calls `body` for all indices that are left, on behalf of thread `thread`.
  template <typename Body>
  void work(int thread, const Body& body) {
    for (int i = 0; i < runs_; ++i) {
      Run& run = run_[(thread + i) % runs_];
      for (int64_t begin = take(run); begin < run.end; begin = take(run)) {
        const int64_t end = begin + piece_ < run.end ? begin + piece_ : run.end;
        for (int64_t index = begin; index < end; ++index) body(index);
      }
    }
  }

 private:
  static constexpr int kMost = 64;
  static constexpr int64_t kPieces = 16;  ///< of a run at the least, if it is as long
  struct alignas(64) Run {
    std::atomic<int64_t> next;
    int64_t end;
  };
  int64_t take(Run& run) const { return run.next.fetch_add(piece_, std::memory_order_relaxed); }

  int runs_;
  int64_t piece_;
  Run run_[kMost];
};

/// Calls `body(i)` for i in [0, count), each thread beginning with a contiguous run of indices, so
/// that a thread mostly meets the same rows from layer to layer. For results that do not depend on
/// the number of threads, what `body(i)` writes must depend on i alone, and partial sums must be
/// merged in the order of i afterwards. `body` must not throw.
template <typename Body>
void parallel_for(int64_t count, const Body& body) {
  const int threads = threads_for(count);
  if (threads <= 1) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  SharedRuns runs(count, threads);
#pragma omp parallel num_threads(threads)
  runs.work(omp_get_thread_num(), body);
}

/// The same for a `body` that may throw. It is called for every index all the same; then the
/// exception of the lowest one goes on to the caller.
template <typename Body>
void parallel_try(int64_t count, const Body& body) {
  std::vector<std::exception_ptr> failures(static_cast<size_t>(count));
  parallel_for(count, [&](int64_t i) {
    try {
      body(i);
    } catch (...) {
      failures[static_cast<size_t>(i)] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace ember
