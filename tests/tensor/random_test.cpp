#include "tensor/random.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

namespace ember {

using Block = std::array<uint32_t, 4>;

TEST_CASE("Philox4x32-10 gives its authors' known answers") {
  // From the file kat_vectors of Random123, the reference implementation.
  CHECK(Philox::encrypt({0, 0, 0, 0}, {0, 0}) ==
        Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(
      Philox::encrypt({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
      Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(
      Philox::encrypt({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
      Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the counter holds element, purpose and step, the key the seed") {
  const Philox generator(0x0123456789abcdef, Purpose::dropout, 0xfedcba9876543210);
  CHECK(
      generator.block(0x00aabbcc44556677) ==
      Philox::encrypt({0x44556677, 0x04aabbcc, 0x76543210, 0xfedcba98}, {0x89abcdef, 0x01234567}));
}

TEST_CASE("seed, purpose, step and element each change the draw") {
  std::set<Block> blocks;
  for (uint64_t seed : {0ull, 1ull, 1ull << 32}) {
    for (Purpose purpose : {Purpose::weights, Purpose::shuffle, Purpose::augmentation,
                            Purpose::dropout, Purpose::faces}) {
      for (uint64_t step : {0ull, 1ull, 1ull << 32}) {
        for (uint64_t element : {0ull, 1ull, 1ull << 32}) {
          blocks.insert(Philox(seed, purpose, step).block(element));
        }
      }
    }
  }
  CHECK(blocks.size() == 3 * 5 * 3 * 3);
}

TEST_CASE("bits are the words of the blocks in order, uniform their upper 24 bits") {
  const Philox generator(7, Purpose::augmentation, 3);
  for (uint64_t element = 0; element < 16; ++element) {
    CHECK(generator.bits(element) == generator.block(element / 4)[element % 4]);
    CHECK(generator.uniform(element) ==
          static_cast<float>(generator.bits(element) >> 8) / 16777216.0f);
  }
  CHECK(Philox::to_unit(0) == 0.0f);
  CHECK(Philox::to_unit(0xffffffff) == 1.0f - 0x1p-24f);
}

TEST_CASE("uniform draws fill [0, 1) evenly") {
  const Philox generator(1, Purpose::weights, 0);
  constexpr uint64_t kBins = 16;
  constexpr double kExpected = 10000;
  std::array<int, kBins> counts{};
  for (uint64_t i = 0; i < kBins * 10000; ++i) {
    ++counts[static_cast<size_t>(generator.uniform(i) * kBins)];
  }
  double chi_square = 0;
  for (const int count : counts) chi_square += std::pow(count - kExpected, 2.0);
  chi_square /= kExpected;
  CHECK(chi_square > 2.0);  // the quantiles 1e-4 and 1 - 1e-4 of 15 degrees of freedom
  CHECK(chi_square < 44.3);
}

}  // namespace ember
