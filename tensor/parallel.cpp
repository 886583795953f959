#include "tensor/parallel.h"

#include <algorithm>
#include <atomic>

namespace ember {
namespace {
std::atomic<int> threads{omp_get_max_threads()};  // all cores, or OMP_NUM_THREADS
}  // namespace

int thread_count() { return threads.load(std::memory_order_relaxed); }
void set_thread_count(int count) { threads.store(std::max(count, 1)); }

}  // namespace ember
