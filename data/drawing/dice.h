#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/random.h"

namespace ember {

/// Draws one number after the other from a Philox stream, for code whose number of draws varies.
class Dice {
 public:
  explicit Dice(Philox stream, uint64_t first_element = 0)
      : stream_(stream), element_(first_element) {}

  float uniform(float low, float high) { return low + (high - low) * stream_.uniform(element_++); }
  bool chance(float probability) { return stream_.uniform(element_++) < probability; }
  /// A whole number in [0, count).
  int index(int count) {
    return static_cast<int>(uint64_t{stream_.bits(element_++)} * count >> 32);
  }

  template <typename Value, size_t Count>
  const Value& pick(const Value (&values)[Count]) {
    return values[index(static_cast<int>(Count))];
  }

  /// An index, drawn as often as its weight says.
  template <size_t Count>
  int weighted(const float (&weights)[Count]) {
    float total = 0;
    for (const float weight : weights) total += weight;
    float at = uniform(0, total);
    int i = 0;
    while (i + 1 < static_cast<int>(Count) && at >= weights[i]) at -= weights[i++];
    return i;
  }

 private:
  Philox stream_;
  uint64_t element_;
};

}  // namespace ember
