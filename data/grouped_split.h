#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ember {

/// Parts rows into as many parts as there are `shares`, so that rows of one group stay together and
/// each part gets about its share of every class: groups in an order drawn from `seed`, those with
/// the most rows of rare classes first, each go to the part that then strays least from its shares.
/// Returns the part of each row. `labels` are class indices, `group_of` any numbers, `shares` add
/// up to 1.
std::vector<int> split_groups(std::span<const int32_t> labels, std::span<const int64_t> group_of,
                              std::span<const double> shares, uint64_t seed);

}  // namespace ember
