#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace ember {

/// numpy's legacy `RandomState(seed)`: the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998)
/// with numpy's ways of drawing from it, so that equal seeds give equal draws. For the sampling
/// that must equal scikit-learn's; everything else draws from Philox.
class RandomState {
 public:
  explicit RandomState(uint32_t seed);

  /// `count` integers of [0, bound), bound >= 1, as `randint(0, bound, count)` draws them for
  /// int64.
  std::vector<int64_t> randint(int64_t bound, int64_t count);

  /// 0 .. count - 1 in random order, as `permutation(count)`.
  std::vector<int64_t> permutation(int64_t count);

  /// Reorders `values` in place, as `shuffle(values)`.
  void shuffle(std::vector<int64_t>& values);

 private:
  static constexpr int kWords = 624;

  uint32_t next32();
  uint64_t next64();
  uint64_t below_or_equal(uint64_t last);
  void refill();

  std::array<uint32_t, kWords> words_;
  int used_ = kWords;
};

}  // namespace ember
