#include "kernels/matmul.h"

#include <doctest/doctest.h>

#include "tests/kernels/reference.h"

namespace ember {
namespace {

struct Sizes {
  int64_t m;
  int64_t n;
  int64_t k;
};

/// One, tails of every kind of tile, several blocks of rows, of columns and of depth; multiples of
/// 4, which a GPU reads 16 bytes at a time, and products large enough for its larger tiles.
constexpr Sizes kSizes[] = {{1, 1, 1},      {1, 17, 3},      {5, 1, 2},      {13, 16, 1},
                            {14, 32, 9},    {15, 33, 31},    {29, 24, 7},    {6, 300, 5},
                            {31, 520, 3},   {230, 19, 4},    {113, 48, 2},   {2, 3, 2500},
                            {7, 144, 1025}, {115, 33, 4099}, {4, 8, 12},     {36, 44, 100},
                            {20, 24, 2052}, {132, 68, 36},   {4100, 180, 4}, {16520, 124, 4}};

std::vector<double> reference(const Tensor& a, const Tensor& b, bool a_transposed,
                              bool b_transposed, Sizes sizes) {
  const auto [m, n, k] = sizes;
  const auto a_values = to_double(a);
  const auto b_values = to_double(b);
  std::vector<double> c(static_cast<size_t>(m * n));
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l) {
        sum += a_values[static_cast<size_t>(a_transposed ? l * m + i : i * k + l)] *
               b_values[static_cast<size_t>(b_transposed ? j * k + l : l * n + j)];
      }
      c[static_cast<size_t>(i * n + j)] = sum;
    }
  }
  return c;
}

using Product = void (*)(const Tensor&, const Tensor&, Tensor&);

void check(Product product, bool a_transposed, bool b_transposed) {
  for_each_device([&] {
    for (const Sizes& sizes : kSizes) {
      const int64_t m = sizes.m;
      const int64_t n = sizes.n;
      const int64_t k = sizes.k;
      CAPTURE(m);
      CAPTURE(n);
      CAPTURE(k);
      const Tensor a = random_integers(a_transposed ? Shape{k, m} : Shape{m, k}, -4, 4, 1);
      const Tensor b = random_integers(b_transposed ? Shape{n, k} : Shape{k, n}, -4, 4, 2);
      const auto expected = reference(a, b, a_transposed, b_transposed, sizes);
      require_equal_in_any_order([&] {
        Tensor c = poisoned({m, n});
        product(a, b, c);
        REQUIRE(equal_values(c, expected));
        return std::vector{c};
      });
    }
  });
}

}  // namespace

TEST_CASE("matmul is exact on whole numbers") { check(matmul, false, false); }
TEST_CASE("matmul_nt is exact on whole numbers") { check(matmul_nt, false, true); }
TEST_CASE("matmul_tn is exact on whole numbers") { check(matmul_tn, true, false); }

TEST_CASE("matmul rounds no worse than its depth allows") {
  for_each_device([] {
    const Sizes sizes{37, 41, 1500};
    const Tensor a = random_uniform({37, 1500}, -1, 1, 1);
    const Tensor b = random_uniform({1500, 41}, -1, 1, 2);
    Tensor c = poisoned({37, 41});
    matmul(a, b, c);
    const auto expected = reference(a, b, false, false, sizes);
    CHECK(relative_l2(c, expected) < 1e-6);
  });
}

TEST_CASE("matmul names the three shapes when they do not fit") {
  const Tensor a = Tensor::zeros({2, 3});
  const Tensor b = Tensor::zeros({4, 5});
  Tensor c = Tensor::zeros({2, 5});
  CHECK_THROWS_WITH_AS(matmul(a, b, c), doctest::Contains("matmul: a (2, 3), b (4, 5), c (2, 5)"),
                       Error);
  CHECK_THROWS_AS(matmul_nt(a, b, c), Error);
  CHECK_THROWS_AS(matmul_tn(a, b, c), Error);
}

}  // namespace ember
