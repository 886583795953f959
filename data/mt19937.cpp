#include "data/mt19937.h"

#include <bit>
#include <cstddef>
#include <numeric>
#include <utility>

namespace ember {

RandomState::RandomState(uint32_t seed) {
  words_[0] = seed;
  for (uint32_t i = 1; i < kWords; ++i) {
    const uint32_t previous = words_[i - 1];
    words_[i] = 1812433253u * (previous ^ previous >> 30) + i;
  }
}

void RandomState::refill() {
  constexpr int kShift = 397;
  for (int i = 0; i < kWords; ++i) {
    const uint32_t joined = (words_[i] & 0x80000000u) | (words_[(i + 1) % kWords] & 0x7fffffffu);
    words_[i] = words_[(i + kShift) % kWords] ^ joined >> 1 ^ (joined & 1u ? 0x9908b0dfu : 0u);
  }
  used_ = 0;
}

uint32_t RandomState::next32() {
  if (used_ == kWords) refill();
  uint32_t word = words_[used_++];
  word ^= word >> 11;
  word ^= word << 7 & 0x9d2c5680u;
  word ^= word << 15 & 0xefc60000u;
  return word ^ word >> 18;
}

uint64_t RandomState::next64() {
  const uint64_t high = next32();
  return high << 32 | next32();
}

/// numpy's masked rejection: draws the bits that `last` needs until they do not exceed it.
uint64_t RandomState::below_or_equal(uint64_t last) {
  if (last == 0) return 0;
  const uint64_t mask = ~uint64_t{0} >> std::countl_zero(last);
  const bool wide = last > 0xffffffffu;
  while (true) {
    const uint64_t value = (wide ? next64() : next32()) & mask;
    if (value <= last) return value;
  }
}

std::vector<int64_t> RandomState::randint(int64_t bound, int64_t count) {
  std::vector<int64_t> draws(static_cast<size_t>(count));
  for (int64_t& draw : draws) {
    draw = static_cast<int64_t>(below_or_equal(static_cast<uint64_t>(bound) - 1));
  }
  return draws;
}

std::vector<int64_t> RandomState::permutation(int64_t count) {
  std::vector<int64_t> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), int64_t{0});
  shuffle(values);
  return values;
}

void RandomState::shuffle(std::vector<int64_t>& values) {
  for (size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[below_or_equal(i - 1)]);
}

}  // namespace ember
