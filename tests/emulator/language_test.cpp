#include "tests/emulator/language.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "kernels/emulator/emulator.h"
#include "tests/emulator/device_array.h"

namespace ember {
namespace {

/// Runs `body` in several orders of blocks and threads.
template <typename Body>
void for_each_seed(const Body& body) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    emulator::set_seed(seed);
    body();
  }
}

std::vector<float> counting(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

}  // namespace

TEST_CASE("threads know their place in grids and blocks of three dimensions") {
  for_each_seed([] {
    const DeviceArray<int> out(3 * 2 * 4 * 5 * 3 * 2);
    REQUIRE(run(indices_kernel, {3, 2, 4}, {5, 3, 2}, 0, out.data()) == "");
    const auto numbers = out.values();
    size_t i = 0;
    for (int bz = 0; bz < 4; ++bz) {
      for (int by = 0; by < 2; ++by) {
        for (int bx = 0; bx < 3; ++bx) {
          for (int tz = 0; tz < 2; ++tz) {
            for (int ty = 0; ty < 3; ++ty) {
              for (int tx = 0; tx < 5; ++tx) {
                REQUIRE(numbers[i++] ==
                        ((((bz * 10 + by) * 10 + bx) * 10 + tz) * 10 + ty) * 10 + tx);
              }
            }
          }
        }
      }
    }
  });
}

TEST_CASE("__syncthreads_count, _or and _and see the whole block, partial warps too") {
  for_each_seed([] {
    for (int threads : {1, 33, 64, 100}) {
      const DeviceArray<int> out(static_cast<size_t>(3 * threads));
      REQUIRE(run(barrier_votes_kernel, 1, static_cast<unsigned>(threads), 0, out.data()) == "");
      const auto votes = out.values();
      for (size_t i = 0; i < votes.size(); i += 3) {
        REQUIRE(votes[i] == (threads + 2) / 3);
        REQUIRE(votes[i + 1] == (threads > 40 ? 1 : 0));
        REQUIRE(votes[i + 2] == (threads <= 64 ? 1 : 0));
      }
    }
  });
}

TEST_CASE("shuffles in every form follow the programming guide") {
  for_each_seed([] {
    const DeviceArray<int> out(320);
    REQUIRE(run(shuffles_kernel, 1, 32, 0, out.data()) == "");
    const auto values = out.values();
    for (int lane = 0; lane < 32; ++lane) {
      CAPTURE(lane);
      const int sources[] = {5,
                             31 - lane,
                             lane / 8 * 8 + 3,
                             lane < 2 ? lane : lane - 2,
                             lane % 16 < 2 ? lane : lane - 2,
                             lane > 28 ? lane : lane + 3,
                             lane % 8 > 4 ? lane : lane + 3,
                             lane ^ 16,
                             lane ^ 5,
                             lane < 16 ? lane ^ 1 : lane ^ 2};
      for (size_t k = 0; k < 10; ++k) {
        CAPTURE(k);
        CHECK(values[k * 32 + static_cast<size_t>(lane)] == 100 + sources[k]);
      }
    }
  });
}

TEST_CASE("shuffles carry values of 4 and of 8 bytes") {
  const DeviceArray<float> f(32);
  const DeviceArray<double> d(32);
  const DeviceArray<int64_t> i(32);
  const DeviceArray<unsigned> u(32);
  REQUIRE(run(shuffle_types_kernel, 1, 32, 0, f.data(), d.data(), i.data(), u.data()) == "");
  for (size_t lane = 0; lane < 32; ++lane) {
    const size_t from = (lane + 1) % 32;
    CHECK(f.values()[lane] == static_cast<float>(from) + 0.5f);
    CHECK(d.values()[lane] == static_cast<unsigned>(from) + 1e-12);
    CHECK(i.values()[lane] == (int64_t{1} << 40) + static_cast<int64_t>(from));
    CHECK(u.values()[lane] == 0xf0000000u + from);
  }
}

TEST_CASE("votes of a warp, the last one with lanes that do not exist") {
  for_each_seed([] {
    constexpr unsigned kThreads = 70;
    const DeviceArray<unsigned> out(3 * kThreads);
    REQUIRE(run(votes_kernel, 1, kThreads, 0, out.data()) == "");
    const auto votes = out.values();
    for (unsigned t = 0; t < kThreads; ++t) {
      unsigned ballot = 0;
      for (unsigned lane = 0; lane < 32 && t / 32 * 32 + lane < kThreads; ++lane) {
        if ((t / 32 * 32 + lane) % 3 == 0) ballot |= 1u << lane;
      }
      CHECK(votes[3 * t] == ballot);
      CHECK(votes[3 * t + 1] == (t / 32 == 2 ? 1 : 0));
      CHECK(votes[3 * t + 2] == (t / 32 == 2 ? 0 : 1));
    }
  });
}

TEST_CASE("atomics of all blocks add up") {
  for_each_seed([] {
    const DeviceArray<unsigned> cells(std::vector<unsigned>{0, 5, 5, 1, 0, 0, 0});
    REQUIRE(run(atomics_kernel, 3, 50, 0, cells.data()) == "");
    CHECK(cells.values() == std::vector<unsigned>{149 * 150 / 2, 149, 0, 7, 0xffffffffu, 9, 0});
  });
}

TEST_CASE("static and dynamic shared memory belong to a block") {
  for_each_seed([] {
    const DeviceArray<float> in(counting(5 * 48));
    const DeviceArray<float> out(5 * 48);
    REQUIRE(run(reverse_kernel, 5, 48, 48 * sizeof(float), out.data(), in.data()) == "");
    const auto values = out.values();
    for (size_t i = 0; i < values.size(); ++i) {
      REQUIRE(values[i] == static_cast<float>(i - i % 48 + 47 - i % 48));
    }
  });
}

TEST_CASE("vectors move whole") {
  const DeviceArray<float4> f(std::vector<float4>{{1, 2, 3, 4}, {5, 6, 7, 8}});
  const DeviceArray<int2> i(std::vector<int2>{{1, -2}, {3, 4}});
  const DeviceArray<uchar4> c(std::vector<uchar4>{{1, 2, 3, 4}, {250, 251, 252, 253}});
  REQUIRE(run(vectors_kernel, 1, 2, 0, f.data(), i.data(), c.data()) == "");
  CHECK(f.values()[1].x == 7);
  CHECK(f.values()[1].w == 6);
  CHECK(i.values()[0].x == -2);
  CHECK(i.values()[0].y == 1);
  CHECK(c.values()[1].x == 252);
  CHECK(c.values()[1].w == 251);
}

TEST_CASE("arithmetic functions compute what their names say") {
  const std::vector<float> x{1, 2, 40, 1e6f};
  const DeviceArray<float> in(x);
  const DeviceArray<float> out(6 * x.size());
  REQUIRE(run(arithmetic_kernel, 1, static_cast<unsigned>(x.size()), 0, out.data(), in.data()) ==
          "");
  const auto values = out.values();
  for (size_t k = 0; k < x.size(); ++k) {
    CHECK(values[6 * k] == doctest::Approx(1 / std::sqrt(double{x[k]})).epsilon(1e-6));
    CHECK(values[6 * k + 1] == static_cast<float>(double{x[k]} * x[k] - 1));
  }
  CHECK(std::vector<float>(values.begin() + 14, values.begin() + 18) ==
        std::vector<float>{26, 2, 4, 20});
}

TEST_CASE("the last block to finish sees what all blocks have written") {
  for_each_seed([] {
    const DeviceArray<float> in(counting(6 * 40));
    const DeviceArray<float> partials(6 * 40);
    const DeviceArray<float> sum(1);
    const DeviceArray<unsigned> counter(std::vector<unsigned>{0});
    for (int launch = 0; launch < 2; ++launch) {
      REQUIRE(run(last_block_kernel, 6, 40, 0, sum.data(), partials.data(), counter.data(),
                  in.data()) == "");
      CHECK(sum.values()[0] == 239 * 240 / 2);
      CHECK(counter.values()[0] == 0);
    }
  });
}

}  // namespace ember
