#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/cuda/reduction.cuh"
#include "tensor/cuda/block_counters.h"
#include "tensor/cuda/launch.h"
#include "tensor/error.h"
#include "tensor/scratch.h"

/// The tiles of the matrix product (gemm.cuh), and the choice among them for a product's size.
namespace ember::cuda {

/// A block's tile of c, the depth of a step, the rectangle of sums of a thread (multiples of 4),
/// the slices, and how many blocks are to fit on a multiprocessor.
template <int kRows_, int kColumns_, int kDepth_, int kThreadRows_, int kThreadColumns_,
          int kSlices_, int kBlocks_>
struct Tile {
  static constexpr int kRows = kRows_;
  static constexpr int kColumns = kColumns_;
  static constexpr int kDepth = kDepth_;
  static constexpr int kThreadRows = kThreadRows_;
  static constexpr int kThreadColumns = kThreadColumns_;
  static constexpr int kSlices = kSlices_;
  static constexpr int kBlocks = kBlocks_;

  static constexpr int kAcross = kColumns / kThreadColumns;  ///< threads along a row
  static constexpr int kSliceThreads = kRows / kThreadRows * kAcross;
  static constexpr int kThreads = kSliceThreads * kSlices;
  static constexpr int kWarps = kThreads / static_cast<int>(kWarpSize);
  static constexpr int kSliceDepth = kDepth / kSlices;
  /// A thread's rows are groups of 4, one from each of `kPasses` bands of the tile; likewise its
  /// columns. So neighbouring threads read neighbouring float4.
  static constexpr int kPasses = kThreadRows / 4;
  static constexpr int kBandRows = kRows / kPasses;
  static constexpr int kBandColumns = kColumns / (kThreadColumns / 4);
  static constexpr int kBandVectors = kBandRows * kColumns / 4;

  static_assert(kThreadRows % 4 == 0 && kThreadColumns % 4 == 0 && kDepth % 8 == 0);
  static_assert(kDepth % kSlices == 0 && kThreads % kColumns == 0 && kThreads % kWarpSize == 0);
};

/// What a step costs beside its products is shared by the more of them the larger the tile is:
/// large tiles for large products, smaller ones where large ones would stand empty or too few.
using Tile128x64 = Tile<128, 64, 8, 8, 8, 1, 3>;
using Tile64x64 = Tile<64, 64, 16, 8, 4, 2, 2>;
using Tile128x32 = Tile<128, 32, 8, 8, 4, 1, 3>;
using Tile32x32 = Tile<32, 32, 32, 4, 4, 4, 2>;
/// For single floats, of which a thread has four times as many on their way.
using ScalarTile = Tile<32, 32, 16, 4, 4, 4, 2>;
/// For 16 and 24 channels, which would leave the tiles above half or a third empty.
using Tile256x16 = Tile<256, 16, 8, 8, 4, 1, 3>;
using Tile96x16 = Tile<96, 16, 16, 8, 4, 4, 2>;
using Tile16x32 = Tile<16, 32, 32, 4, 4, 4, 3>;
using Tile64x24 = Tile<64, 24, 32, 8, 4, 4, 2>;
using Tile24x64 = Tile<24, 64, 32, 4, 8, 4, 2>;

/// A product's sizes and where the blocks that share a tile merge it.
struct ProductGrid {
  int column_tiles = 0;
  int depth = 0;        ///< of the whole product
  int split_depth = 0;  ///< of one block
  float4* partials = nullptr;
  unsigned* counters = nullptr;
  unsigned tiles = 0;
  unsigned splits = 1;

  dim3 blocks() const { return dim3(tiles, splits); }
};

namespace product {

/// Parts that a depth may be split into: each keeps steps enough to be worth its merge.
inline int64_t most_splits(int64_t depth) { return std::clamp<int64_t>(depth / 256, 1, 256); }

template <class T>
int64_t tiles(int64_t rows, int64_t columns) {
  return int64_t{blocks_for(rows, T::kRows)} * blocks_for(columns, T::kColumns);
}

/// Relative time of a product by a kind of tile on a GPU of about a hundred multiprocessors: the
/// multiplications that it does, padding included, over the share of the peak that such tiles reach
/// and over the share of the GPU that its blocks fill. A tile reads rows + columns for rows *
/// columns products, as a square one with their harmonic mean as its side. The constants are
/// estimates: no GPU has confirmed them yet.
template <class T>
double cost(int64_t rows, int64_t columns, int64_t depth, int64_t splits) {
  constexpr double kWarpsWanted = 1024;
  constexpr double kSide = 2.0 * T::kRows * T::kColumns / (T::kRows + T::kColumns);
  constexpr double kReached = kSide * kSide / (kSide * kSide + 1024);
  const auto count = static_cast<double>(tiles<T>(rows, columns));
  const double filled =
      std::min(1.0, count * static_cast<double>(splits) * T::kWarps / kWarpsWanted);
  return count * T::kRows * T::kColumns * blocks_for(depth, T::kDepth) * T::kDepth /
         (kReached * filled);
}

}  // namespace product

/// Calls `body(Tile)` with the cheapest of the kinds of tile named for a product of this size,
/// whose depth can be split where `split` says so.
template <class First, class... Others, class Body>
void with_tile(int64_t rows, int64_t columns, int64_t depth, bool split, const Body& body) {
  if constexpr (sizeof...(Others) == 0) {
    body(First());
  } else {
    const int64_t splits = split ? product::most_splits(depth) : 1;
    const double first = product::cost<First>(rows, columns, depth, splits);
    if (first <= std::min({product::cost<Others>(rows, columns, depth, splits)...})) {
      body(First());
    } else {
      with_tile<Others...>(rows, columns, depth, split, body);
    }
  }
}

/// The grid of a product in tiles of kind T.
template <class T>
ProductGrid product_grid(int64_t rows, int64_t columns, int64_t depth, bool split) {
  constexpr int64_t kMost = std::numeric_limits<int>::max() / 2;  // tiles may end beyond the edge
  EMBER_REQUIRE(rows <= kMost && columns <= kMost && depth <= kMost,
                "matrix product of {} x {} x {}: more than {} in one direction", rows, depth,
                columns, kMost);
  constexpr int64_t kWarpsWanted = 4096;  // several times what a GPU holds: busy to the end
  const int64_t tiles = product::tiles<T>(rows, columns);
  const int64_t wanted = std::max<int64_t>(kWarpsWanted / (tiles * T::kWarps), 1);
  const int64_t splits = split ? std::min(wanted, product::most_splits(depth)) : 1;

  ProductGrid grid;
  grid.column_tiles = static_cast<int>(blocks_for(columns, T::kColumns));
  grid.depth = static_cast<int>(depth);
  grid.split_depth = static_cast<int>(
      int64_t{blocks_for(int64_t{blocks_for(depth, splits)}, T::kDepth)} * T::kDepth);
  grid.tiles = blocks_for(tiles, 1);
  grid.splits = blocks_for(depth, grid.split_depth);
  if (grid.splits > 1) {
    const int64_t bands = tiles * T::kPasses;
    grid.partials = reinterpret_cast<float4*>(
        scratch(Scratch::partial_sums, bands * partial_rows(grid.splits) * T::kBandVectors * 4,
                Device::cuda));
    grid.counters = block_counters(bands * partial_counters(grid.splits));
  }
  return grid;
}

}  // namespace ember::cuda
