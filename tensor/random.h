#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace ember {

/// What a random number is drawn for. Draws of different purposes never coincide.
enum class Purpose : uint32_t { weights = 1, shuffle, augmentation, dropout, faces, split };

/// The counter-based generator Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers:
/// as easy as 1, 2, 3", SC 2011). A draw depends on (seed, purpose, step, element) alone, so it is
/// the same on every device and for any number of threads, and a run can be resumed in the middle.
class Philox {
 public:
  constexpr Philox(uint64_t seed, Purpose purpose, uint64_t step)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
        purpose_(static_cast<uint32_t>(purpose)),
        step_(step) {}

  /// Four independent 32-bit numbers for `element`. The counter holds the element's low 32 bits,
  /// the purpose (8 bits) with the element's next 24 bits, and the step.
  constexpr std::array<uint32_t, 4> block(uint64_t element) const {
    return encrypt({static_cast<uint32_t>(element),
                    purpose_ << 24 | (static_cast<uint32_t>(element >> 32) & 0xffffffu),
                    static_cast<uint32_t>(step_), static_cast<uint32_t>(step_ >> 32)},
                   key_);
  }

  /// The bijection itself: ten rounds on the counter.
  static constexpr std::array<uint32_t, 4> encrypt(std::array<uint32_t, 4> counter,
                                                   std::array<uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
      const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
      const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
      counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
                 static_cast<uint32_t>(product1),
                 static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
                 static_cast<uint32_t>(product0)};
      key[0] += 0x9E3779B9;
      key[1] += 0xBB67AE85;
    }
    return counter;
  }

  /// Number `element` of a stream of 32-bit numbers, four of them to a block.
  constexpr uint32_t bits(uint64_t element) const { return block(element / 4)[element % 4]; }

  /// Number `element` of a stream of floats in [0, 1), multiples of 2^-24.
  constexpr float uniform(uint64_t element) const { return to_unit(bits(element)); }

  /// The upper 24 bits as a float in [0, 1).
  static constexpr float to_unit(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

 private:
  std::array<uint32_t, 2> key_;
  uint32_t purpose_;
  uint64_t step_;
};

/// Puts `items` in a random order (Fisher and Yates); number i of the stream that begins at `first`
/// decides what moves to place i.
template <typename Item>
void shuffle(std::span<Item> items, const Philox& random, uint64_t first = 0) {
  for (size_t i = items.size(); i > 1; --i) {
    const uint64_t j = uint64_t{random.bits(first + i - 1)} * i >> 32;
    std::swap(items[i - 1], items[j]);
  }
}

}  // namespace ember
