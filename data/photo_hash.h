#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

/// Photos that look alike: copies, other sizes, other compression.
namespace ember {

/// A hash of what an image (height, width, 3) looks like: the photo in 32x32 grey values (means of
/// the pixels they stand for), their discrete cosine transform, and of its 8x8 lowest frequencies,
/// the mean grey left out, one bit each for above or below their median. Similar photos differ in
/// few of the 63 bits, unrelated ones in about half. (Zauner: "Implementation and benchmarking of
/// perceptual image hash functions", 2010, chapter 3.2.1.)
uint64_t perceptual_hash(const ByteTensor& image);

/// Bits in which hashes of the same photo may differ.
inline constexpr int kMostDifferentBits = 8;

/// Whether two photos are taken for the same.
bool look_alike(uint64_t hash, uint64_t other);

/// Groups of photos that look alike, directly or over others: of each photo the index of the first
/// one of its group.
std::vector<int64_t> groups_of_photos(std::span<const uint64_t> hashes);

}  // namespace ember
