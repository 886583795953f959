#include "tensor/parallel.h"

#include <algorithm>
#include <atomic>

namespace ember {
namespace {
std::atomic<int> threads{omp_get_num_procs()};
}  // namespace

int thread_count() { return threads.load(std::memory_order_relaxed); }
void set_thread_count(int count) { threads.store(std::max(count, 1)); }

}  // namespace ember
