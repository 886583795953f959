#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "tensor/error.h"

namespace ember {

/// Up to four dimensions, the last one contiguous: (N, H, W, C), (rows, columns), (C).
/// A plain value without heap memory.
class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims)
      : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims) {
    EMBER_REQUIRE(dims.size() <= kMaxRank, "a shape has at most {} dimensions", kMaxRank);
    for (int64_t dim : dims) {
      EMBER_REQUIRE(dim >= 0, "a dimension cannot be {}", dim);
      dims_[static_cast<size_t>(rank_++)] = dim;
    }
  }

  int rank() const { return rank_; }

  /// Dimension `axis`; negative axes count from the last one.
  int64_t operator[](int axis) const {
    EMBER_REQUIRE(axis >= -rank_ && axis < rank_, "axis {} of a shape of rank {}", axis, rank_);
    return dims_[static_cast<size_t>(axis < 0 ? axis + rank_ : axis)];
  }

  /// Number of elements; 1 for the empty shape of a scalar.
  int64_t size() const {
    int64_t count = 1;
    for (int axis = 0; axis < rank_; ++axis) count *= dims_[static_cast<size_t>(axis)];
    return count;
  }

  /// The same shape with its first dimension replaced: a batch cut to `rows`.
  Shape with_rows(int64_t rows) const {
    Shape shape = *this;
    EMBER_REQUIRE(rank_ > 0 && rows >= 0, "cannot give {} rows to a shape of rank {}", rows, rank_);
    shape.dims_[0] = rows;
    return shape;
  }

  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }

  friend bool operator==(const Shape& a, const Shape& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

/// "(32, 64, 64, 96)", as error messages and the layer table print it.
inline std::string to_string(const Shape& shape) {
  return fmt::format("({})", fmt::join(shape.begin(), shape.end(), ", "));
}

}  // namespace ember
