// Lesson 1: a tensor and a matrix product, from three loops to the packed kernel. 1_matmul.md tells
// the story; here stand its stages, slowest first, and what times and checks them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "docs/lessons/1_matmul.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "apps/program.h"
#include "kernels/matmul.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tensor/scratch.h"

// Stages 1 to 3: plain C++. All matrices are row-major: element (i, j) of x is x[i * columns + j].
#if HWY_ONCE
namespace ember {

/// c (m, n) = a (m, k) * b (k, n): one element of c after the other.
void three_loops(const float* a, const float* b, int64_t m, int64_t n, int64_t k, float* c) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      float sum = 0;
      for (int64_t p = 0; p < k; ++p) sum += a[i * k + p] * b[p * n + j];
      c[i * n + j] = sum;
    }
  }
}

/// The innermost loop walks along rows of b and c.
void row_order(const float* a, const float* b, int64_t m, int64_t n, int64_t k, float* c) {
  std::fill(c, c + m * n, 0.0f);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t p = 0; p < k; ++p) {
      for (int64_t j = 0; j < n; ++j) c[i * n + j] += a[i * k + p] * b[p * n + j];
    }
  }
}

/// The same in blocks of b that stay in the cache while all rows of a pass by.
void cache_blocks(const float* a, const float* b, int64_t m, int64_t n, int64_t k, float* c) {
  constexpr int64_t kDepth = 64;
  constexpr int64_t kColumns = 384;
  std::fill(c, c + m * n, 0.0f);
  for (int64_t p0 = 0; p0 < k; p0 += kDepth) {
    for (int64_t j0 = 0; j0 < n; j0 += kColumns) {
      const int64_t p1 = std::min(p0 + kDepth, k);
      const int64_t j1 = std::min(j0 + kColumns, n);
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t p = p0; p < p1; ++p) {
          for (int64_t j = j0; j < j1; ++j) c[i * n + j] += a[i * k + p] * b[p * n + j];
        }
      }
    }
  }
}

}  // namespace ember
#endif  // HWY_ONCE

// Stages 4 to 6: vectors. This part is compiled once for SSE4, once for AVX2, ...
HWY_BEFORE_NAMESPACE();
namespace ember::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using FloatTag = hn::CappedTag<float, 16>;
using FloatVector = hn::Vec<FloatTag>;

constexpr int kTileRows = 6;

/// A tile of c, 6 rows and 2 vectors wide, in registers from the first product to the last.
HWY_INLINE void multiply_tile(const float* a, int64_t a_row, const float* b, int64_t b_step,
                              int64_t depth, float* c, int64_t c_row) {
  const FloatTag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  FloatVector sum[kTileRows][2];
  for (auto& row : sum) row[0] = row[1] = hn::Zero(d);
  for (int64_t p = 0; p < depth; ++p, b += b_step) {
    const FloatVector b0 = hn::LoadU(d, b);
    const FloatVector b1 = hn::LoadU(d, b + lanes);
    for (int r = 0; r < kTileRows; ++r) {
      const FloatVector element = hn::Set(d, a[r * a_row + p]);
      sum[r][0] = hn::MulAdd(element, b0, sum[r][0]);
      sum[r][1] = hn::MulAdd(element, b1, sum[r][1]);
    }
  }
  for (int r = 0; r < kTileRows; ++r) {
    hn::StoreU(sum[r][0], d, c + r * c_row);
    hn::StoreU(sum[r][1], d, c + r * c_row + lanes);
  }
}

/// Columns of tiles: two vectors' width of b is used for all rows of a, then the next.
void RegisterTiles(const float* a, const float* b, int64_t m, int64_t n, int64_t k, float* c) {
  const auto width = 2 * static_cast<int64_t>(hn::Lanes(FloatTag()));
  for (int64_t j = 0; j < n; j += width) {
    for (int64_t i = 0; i < m; i += kTileRows)
      multiply_tile(a + i * k, k, b + j, n, k, c + i * n + j, n);
  }
}

/// b in panels: what the tiles of one column of tiles read, in the order in which they read it.
void pack(const float* b, int64_t n, int64_t k, float* panels) {
  const auto width = 2 * static_cast<int64_t>(hn::Lanes(FloatTag()));
  for (int64_t j = 0; j < n; j += width) {
    for (int64_t p = 0; p < k; ++p, panels += width) std::copy_n(b + p * n + j, width, panels);
  }
}

/// Rows of c from a packed b.
void multiply_rows(const float* a, const float* panels, int64_t rows, int64_t n, int64_t k,
                   float* c) {
  const auto width = 2 * static_cast<int64_t>(hn::Lanes(FloatTag()));
  for (int64_t j = 0; j < n; j += width) {
    for (int64_t i = 0; i < rows; i += kTileRows)
      multiply_tile(a + i * k, k, panels + j * k, width, k, c + i * n + j, n);
  }
}

void Packed(const float* a, const float* b, int64_t m, int64_t n, int64_t k, float* c) {
  float* panels = scratch(Scratch::packed_weights, n * k);  // memory that the thread keeps
  pack(b, n, k, panels);
  multiply_rows(a, panels, m, n, k, c);
}

/// Each thread takes blocks of rows of c, all read the same panels.
void Threads(const float* a, const float* b, int64_t m, int64_t n, int64_t k, float* c) {
  constexpr int64_t kRows = 96;
  float* panels = scratch(Scratch::packed_weights, n * k);
  pack(b, n, k, panels);
  parallel_for((m + kRows - 1) / kRows, [&](int64_t block) {
    const int64_t i = block * kRows;
    multiply_rows(a + i * k, panels, std::min(kRows, m - i), n, k, c + i * n);
  });
}

/// Multiply-adds that wait for nothing: twelve sums in registers, none of which needs another.
/// Returns the number of operations.
double PureArithmetic(int64_t rounds) {
  const FloatTag d;
  const FloatVector half = hn::Set(d, 0.5f);
  FloatVector sum[12];
  for (auto& x : sum) x = hn::Zero(d);
  for (int64_t round = 0; round < rounds; ++round) {
    for (auto& x : sum) x = hn::MulAdd(x, half, half);
  }
  for (int i = 1; i < 12; ++i) sum[0] = hn::Add(sum[0], sum[i]);
  [[maybe_unused]] const volatile float kept = hn::GetLane(sum[0]);  // else nothing is computed
  return static_cast<double>(rounds) * 12 * 2 * static_cast<double>(hn::Lanes(d));
}

const char* TargetName() { return hwy::TargetName(HWY_TARGET); }

}  // namespace ember::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {

// A table with one entry a target for each function; HWY_DYNAMIC_DISPATCH picks this processor's.
HWY_EXPORT(RegisterTiles);
HWY_EXPORT(Packed);
HWY_EXPORT(Threads);
HWY_EXPORT(PureArithmetic);
HWY_EXPORT(TargetName);

namespace {

constexpr int64_t kSizeUnit =
    96;  // whole tiles and panels on every target: no edges in this lesson

/// What a tensor is: numbers in a row, a shape to find them by, and views that share them.
void show_a_tensor() {
  Tensor t({2, 3, 4});
  for (int64_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<float>(i);
  const Tensor second = t.rows(1, 2);
  const Tensor flat = t.reshape({6, 4});
  fmt::print("t              shape {}: {} numbers side by side in memory\n", to_string(t.shape()),
             t.size());
  fmt::print("t[1, 2, 3]     number 1*12 + 2*4 + 3 = 23 of them: {}\n", t.data()[23]);
  fmt::print("t.rows(1, 2)   shape {}, begins {} numbers further on\n", to_string(second.shape()),
             second.data() - t.data());
  fmt::print("t.reshape      shape {}, begins {} numbers further on\n", to_string(flat.shape()),
             flat.data() - t.data());
  t.data()[23] = -1;
  fmt::print("t[1, 2, 3]=-1  seen through the views: {} and {}\n\n", second.data()[11],
             flat.data()[23]);
  EMBER_REQUIRE(second.data()[11] == -1 && flat.data()[23] == -1, "a view does not share memory");
}

Tensor random_matrix(int64_t rows, int64_t columns, uint64_t seed) {
  Tensor matrix({rows, columns});
  const Philox random(seed, Purpose::weights, 0);
  for (int64_t i = 0; i < matrix.size(); ++i)
    matrix.data()[i] = 2 * random.uniform(static_cast<uint64_t>(i)) - 1;
  return matrix;
}

/// The product in double precision, and how far from it a float32 result may be: whatever the order
/// of the additions, |error| <= k * 2^-24 * sum of |a * b| (to first order; Higham, "Accuracy and
/// Stability of Numerical Algorithms", 3.5).
struct Reference {
  std::vector<double> value;
  std::vector<double> bound;
};

Reference reference(const Tensor& a, const Tensor& b) {
  const int64_t m = a.dim(0), k = a.dim(1), n = b.dim(1);
  Reference c{std::vector<double>(static_cast<size_t>(m * n)),
              std::vector<double>(static_cast<size_t>(m * n))};
  parallel_for(m, [&](int64_t i) {
    for (int64_t p = 0; p < k; ++p) {
      const double factor = a.data()[i * k + p];
      for (int64_t j = 0; j < n; ++j) {
        const double product = factor * b.data()[p * n + j];
        c.value[static_cast<size_t>(i * n + j)] += product;
        c.bound[static_cast<size_t>(i * n + j)] += std::abs(product) * k * 0x1p-24;
      }
    }
  });
  return c;
}

/// The largest error of c, as a share of what is allowed.
double worst_error(const Tensor& c, const Reference& expected) {
  double worst = 0;
  for (size_t i = 0; i < expected.value.size(); ++i) {
    const double error = std::abs(c.values()[i] - expected.value[i]) / expected.bound[i];
    if (!(error <= worst)) worst = error;  // lets a NaN through
  }
  return worst;
}

/// Seconds of the fastest of several calls, which take `at_least` seconds together.
double fastest(double at_least, const std::function<void()>& body) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  double best = INFINITY;
  const auto begin = Clock::now();
  do {
    const auto start = Clock::now();
    body();
    best = std::min(best, seconds_since(start));
  } while (seconds_since(begin) < at_least);
  return best;
}

/// Billions of operations a second of `threads` threads that never wait for memory.
double peak_gflops(int threads, double seconds) {
  std::vector<double> operations(static_cast<size_t>(threads));
  const double time = fastest(seconds, [&] {
    parallel_for(threads, [&](int64_t i) {
      operations[static_cast<size_t>(i)] = HWY_DYNAMIC_DISPATCH(PureArithmetic)(1'000'000);
    });
  });
  return std::accumulate(operations.begin(), operations.end(), 0.0) / time * 1e-9;
}

/// A bar of at most 32 characters, in eighths of one.
std::string bar(double share) {
  const int eighths = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * 32 * 8));
  std::string text;
  for (int i = 0; i < eighths / 8; ++i) text += "█";
  constexpr const char* kParts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  return text + kParts[eighths % 8];
}

void run_lesson(int64_t size, double seconds) {
  show_a_tensor();

  const int threads = thread_count();
  const double peak_one = peak_gflops(1, seconds);
  const double peak_all = std::max(peak_one, peak_gflops(threads, seconds));
  fmt::print("Peak of this machine ({}): {:.0f} GFLOP/s on one thread, {:.0f} on {}.\n",
             HWY_DYNAMIC_DISPATCH(TargetName)(), peak_one, peak_all, threads);

  const Tensor a = random_matrix(size, size, 1);
  const Tensor b = random_matrix(size, size, 2);
  Tensor c({size, size});
  const Reference expected = reference(a, b);
  const double operations = 2.0 * static_cast<double>(size * size * size);
  fmt::print("c = a * b, all of {}: {:.2f} billion operations.\n\n", to_string(c.shape()),
             operations * 1e-9);

  using Multiply = void(const float* a, const float* b, int64_t m, int64_t n, int64_t k, float* c);
  const auto with = [&](Multiply* multiply) {
    return [&, multiply] { multiply(a.data(), b.data(), size, size, size, c.data()); };
  };
  struct Stage {
    const char* name;
    int threads;
    std::function<void()> run;
  };
  const Stage stages[] = {
      {"1 three loops", 1, with(three_loops)},
      {"2 row order", 1, with(row_order)},
      {"3 cache blocks", 1, with(cache_blocks)},
      {"4 register tiles", 1, with(HWY_DYNAMIC_DISPATCH(RegisterTiles))},
      {"5 packed", 1, with(HWY_DYNAMIC_DISPATCH(Packed))},
      {"6 threads", threads, with(HWY_DYNAMIC_DISPATCH(Threads))},
      {"Ember's, 1 thread", 1, [&] { matmul(a, b, c); }},
      {"Ember's", threads, [&] { matmul(a, b, c); }},
  };
  fmt::print("{:<18} {:>8} {:>8}   {:<32}  {}\n", "stage", "GFLOP/s", "of peak",
             fmt::format("0 {:>30.0f}", peak_all), "error/allowed");
  for (const Stage& stage : stages) {
    set_thread_count(stage.threads);
    c.fill(NAN);  // an element that nobody writes shows
    const double gflops = operations / fastest(seconds, stage.run) * 1e-9;
    const double error = worst_error(c, expected);
    const std::string drawn = bar(gflops / peak_all);
    fmt::print("{:<18} {:>8.1f} {:>6.0f} %   {:<32}  {:.5f}\n", stage.name, gflops,
               100 * gflops / (stage.threads == 1 ? peak_one : peak_all), drawn, error);
    std::fflush(stdout);
    EMBER_REQUIRE(error <= 1, "{}: the product is wrong", stage.name);
  }
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  int64_t size = 960;
  double seconds = 0.5;
  CLI::App app("Lesson 1: a matrix product, from three loops to the packed kernel",
               "lesson_1_matmul");
  app.add_option("--size", size, "Rows and columns of the matrices, a multiple of 96")
      ->capture_default_str()
      ->check([](const std::string& text) {
        const int64_t value = std::atoll(text.c_str());
        return value > 0 && value % ember::kSizeUnit == 0 ? "" : "not a positive multiple of 96";
      });
  app.add_option("--seconds", seconds, "Time to spend on each stage")->capture_default_str();
  return ember::run_program(app, argc, argv, [&] { ember::run_lesson(size, seconds); });
}
#endif  // HWY_ONCE
