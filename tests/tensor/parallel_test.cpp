#include "tensor/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tensor/device.h"
#include "tensor/scratch.h"

namespace ember {
namespace {

// The thread count of one test, the former one afterwards.
class ThreadCount {
 public:
  explicit ThreadCount(int count) : before_(thread_count()) { set_thread_count(count); }
  ~ThreadCount() { set_thread_count(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

}  // namespace

TEST_CASE("parallel_for calls every index once, for any number of threads") {
  for (int threads : {1, 2, 3, 8}) {
    const ThreadCount scope(threads);
    for (int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
      parallel_for(count, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
      for (const auto& call : calls) CHECK(call == 1);
    }
  }
}

TEST_CASE("parallel_for begins with a contiguous run for each thread, and leaves none waiting") {
  const ThreadCount scope(2);
  std::atomic<int> arrived = 0;
  std::vector<int> thread_of(32);
  parallel_for(32, [&](int64_t i) {
    thread_of[static_cast<size_t>(i)] = omp_get_thread_num();
    if (i % 16 == 0) {  // both threads are there
      ++arrived;
      while (arrived < 2) std::this_thread::yield();
    }
    // Thread 0 gets no further until the other one has done all else.
    while (i == 0 && arrived < 2 + 30) std::this_thread::yield();
    if (i % 16 != 0) ++arrived;
  });
  CHECK(thread_of[0] == 0);
  for (size_t i = 1; i < 32; ++i) CHECK(thread_of[i] == 1);
}

TEST_CASE("parallel_try calls every index, then throws what the lowest one has thrown") {
  for (int threads : {1, 3}) {
    const ThreadCount scope(threads);
    std::atomic<int> calls = 0;
    int64_t thrown = -1;
    try {
      parallel_try(20, [&](int64_t i) {
        ++calls;
        if (i % 7 == 5) throw i;
      });
    } catch (int64_t i) {
      thrown = i;
    }
    CHECK(calls == 20);
    CHECK(thrown == 5);
    parallel_try(20, [&](int64_t) { ++calls; });
    CHECK(calls == 40);
  }
}

TEST_CASE("parallel_for within another runs on the calling thread") {
  const ThreadCount scope(2);
  std::vector<std::atomic<int>> calls(6);
  std::atomic<int> other_threads = 0;
  parallel_for(2, [&](int64_t i) {
    const int outer_thread = omp_get_thread_num();
    parallel_for(3, [&](int64_t j) {
      ++calls[static_cast<size_t>(i * 3 + j)];
      if (omp_get_thread_num() != outer_thread) ++other_threads;
    });
  });
  for (const auto& call : calls) CHECK(call == 1);
  CHECK(other_threads == 0);
}

TEST_CASE("the thread count is at least 1") {
  const ThreadCount scope(0);
  CHECK(thread_count() == 1);
}

TEST_CASE("scratch grows, then is handed out again without allocating") {
  scratch(Scratch::input_block, 100);
  float* larger = scratch(Scratch::input_block, 1000);
  float* other = scratch(Scratch::output_block, 1000);
  CHECK(larger != other);
  CHECK(reinterpret_cast<uintptr_t>(larger) % 64 == 0);

  const int64_t allocations = memory_stats().allocations;
  CHECK(scratch(Scratch::input_block, 1000) == larger);
  CHECK(scratch(Scratch::input_block, 10) == larger);
  CHECK(scratch(Scratch::output_block, 500) == other);
  CHECK(memory_stats().allocations == allocations);
  scratch(Scratch::input_block, 2000);
  CHECK(memory_stats().allocations == allocations + 1);
}

TEST_CASE("each thread has scratch of its own") {
  const ThreadCount scope(2);
  std::vector<float*> blocks(2);
  std::atomic<int> arrived = 0;
  parallel_for(2, [&](int64_t i) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();  // or one thread might do both
    blocks[static_cast<size_t>(i)] = scratch(Scratch::partial_sums, 64);
  });
  CHECK(blocks[0] != blocks[1]);
}

}  // namespace ember
