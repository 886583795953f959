#include "data/photo_hash.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>

#include "tensor/error.h"

namespace ember {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kFrequencies = 8;

using Grey = std::array<double, kSide * kSide>;

/// Each cell is the mean luma of the pixels in it, of one at the least.
Grey shrink(const ByteTensor& image) {
  const int64_t height = image.dim(0);
  const int64_t width = image.dim(1);
  Grey grey{};
  for (int64_t r = 0; r < kSide; ++r) {
    const int64_t top = r * height / kSide;
    const int64_t bottom = std::max(top + 1, (r + 1) * height / kSide);
    for (int64_t c = 0; c < kSide; ++c) {
      const int64_t left = c * width / kSide;
      const int64_t right = std::max(left + 1, (c + 1) * width / kSide);
      int64_t sum = 0;
      for (int64_t y = top; y < bottom; ++y) {
        const uint8_t* pixel = image.data() + (y * width + left) * 3;
        for (int64_t x = left; x < right; ++x, pixel += 3) {
          sum += 299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2];
        }
      }
      const auto count = static_cast<double>((bottom - top) * (right - left));
      grey[static_cast<size_t>(r * kSide + c)] = static_cast<double>(sum) / (1000 * count);
    }
  }
  return grey;
}

/// cos((2 x + 1) f pi / 2 side)
double wave(int64_t frequency, int64_t place) {
  return std::cos(static_cast<double>((2 * place + 1) * frequency) * std::numbers::pi /
                  (2 * kSide));
}

}  // namespace

uint64_t perceptual_hash(const ByteTensor& image) {
  EMBER_REQUIRE(image.rank() == 3 && image.dim(2) == 3 && image.shape().size() > 0,
                "perceptual_hash: image {}", to_string(image.shape()));
  const Grey grey = shrink(image);
  std::array<double, kSide * kFrequencies> rows{};  // transformed along each row
  for (int64_t r = 0; r < kSide; ++r) {
    for (int64_t f = 0; f < kFrequencies; ++f) {
      double& sum = rows[static_cast<size_t>(r * kFrequencies + f)];
      for (int64_t c = 0; c < kSide; ++c) {
        sum += grey[static_cast<size_t>(r * kSide + c)] * wave(f, c);
      }
    }
  }
  std::array<double, kFrequencies * kFrequencies> all{};
  for (int64_t f = 0; f < kFrequencies; ++f) {
    for (int64_t g = 0; g < kFrequencies; ++g) {
      double& sum = all[static_cast<size_t>(f * kFrequencies + g)];
      for (int64_t r = 0; r < kSide; ++r) {
        sum += rows[static_cast<size_t>(r * kFrequencies + g)] * wave(f, r);
      }
    }
  }
  std::array<double, kFrequencies * kFrequencies - 1> sorted{};
  std::copy(all.begin() + 1, all.end(), sorted.begin());
  const auto middle = sorted.begin() + sorted.size() / 2;
  std::nth_element(sorted.begin(), middle, sorted.end());
  uint64_t hash = 0;
  for (size_t i = 1; i < all.size(); ++i) hash |= uint64_t{all[i] > *middle ? 1u : 0u} << i;
  return hash;
}

bool look_alike(uint64_t hash, uint64_t other) {
  return std::popcount(hash ^ other) <= kMostDifferentBits;
}

std::vector<int64_t> groups_of_photos(std::span<const uint64_t> hashes) {
  std::vector<int64_t> parent(hashes.size());
  std::iota(parent.begin(), parent.end(), int64_t{0});
  const auto root = [&](size_t photo) {
    auto at = static_cast<int64_t>(photo);
    while (parent[static_cast<size_t>(at)] != at) at = parent[static_cast<size_t>(at)];
    return at;
  };
  for (size_t i = 0; i < hashes.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (!look_alike(hashes[i], hashes[j])) continue;
      const auto [first, second] = std::minmax({root(i), root(j)});
      parent[static_cast<size_t>(second)] = first;
    }
  }
  for (size_t i = 0; i < hashes.size(); ++i) parent[i] = root(i);
  return parent;
}

}  // namespace ember
