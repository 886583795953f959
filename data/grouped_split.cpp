#include "data/grouped_split.h"

#include <algorithm>
#include <map>
#include <utility>

#include "tensor/error.h"
#include "tensor/random.h"

namespace ember {
namespace {

using Counts = std::vector<double>;  ///< of the rows of each class, as parts of the class

struct Group {
  std::vector<size_t> rows;
  Counts counts;
  double weight = 0;  ///< the parts of the classes that lie in it, together
};

std::vector<Group> gather(std::span<const int32_t> labels, std::span<const int64_t> group_of) {
  Counts of_class(static_cast<size_t>(*std::max_element(labels.begin(), labels.end())) + 1);
  for (const int32_t label : labels) ++of_class[static_cast<size_t>(label)];
  std::map<int64_t, Group> by_name;
  for (size_t row = 0; row < labels.size(); ++row) {
    Group& group = by_name[group_of[row]];
    group.rows.push_back(row);
    group.counts.resize(of_class.size());
    const double part = 1 / of_class[static_cast<size_t>(labels[row])];
    group.counts[static_cast<size_t>(labels[row])] += part;
    group.weight += part;
  }
  std::vector<Group> groups;
  groups.reserve(by_name.size());
  for (auto& item : by_name) groups.push_back(std::move(item.second));
  return groups;
}

/// By how much a part with `counts` and then `more` is farther from `share` of each class than
/// without, as a sum of squares.
double straying(const Counts& counts, const Counts& more, double share) {
  double sum = 0;
  for (size_t k = 0; k < counts.size(); ++k) {
    const double before = counts[k] / share - 1;
    const double after = (counts[k] + more[k]) / share - 1;
    sum += share * (after * after - before * before);
  }
  return sum;
}

}  // namespace

std::vector<int> split_groups(std::span<const int32_t> labels, std::span<const int64_t> group_of,
                              std::span<const double> shares, uint64_t seed) {
  EMBER_REQUIRE(!labels.empty() && labels.size() == group_of.size() && !shares.empty(),
                "split_groups: {} labels, {} groups, {} shares", labels.size(), group_of.size(),
                shares.size());
  std::vector<Group> groups = gather(labels, group_of);
  shuffle(std::span(groups), Philox(seed, Purpose::split, 0));
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.weight > b.weight; });
  std::vector<Counts> parts(shares.size(), Counts(groups.front().counts.size()));
  std::vector<int> part_of(labels.size());
  for (const Group& group : groups) {
    size_t best = 0;
    double least = 0;
    for (size_t part = 0; part < parts.size(); ++part) {
      const double strays = straying(parts[part], group.counts, shares[part]);
      if (part == 0 || strays < least) {
        best = part;
        least = strays;
      }
    }
    for (size_t k = 0; k < group.counts.size(); ++k) parts[best][k] += group.counts[k];
    for (const size_t row : group.rows) part_of[row] = static_cast<int>(best);
  }
  return part_of;
}

}  // namespace ember
