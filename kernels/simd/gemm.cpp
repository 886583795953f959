#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/gemm.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/simd/gemm-inl.h"
#include "kernels/simd/vectors-inl.h"
#include "tensor/parallel.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

/// The tallest tile whose accumulators, two vectors wide, fit in the registers beside two vectors
/// of b and one element of a.
constexpr int kTileRows = HWY_TARGET == HWY_AVX3 ? 14 : 6;
constexpr int kTileVectors = 2;
/// How far ahead b is fetched: further than memory is away.
constexpr int64_t kStepsAhead = 16;

/// Longer sums are cut into blocks that are added up afterwards: better caching of b, and an error
/// that grows with the block, not with the sum.
constexpr int64_t kDepthBlock = 1024;

struct Tile {
  const float* a;
  int64_t a_row;
  int64_t a_step;
  int64_t a_segment;
  const float* b;
  int64_t b_step;
  int64_t b_segment;
  Depth depth;
  float* c;
  int64_t c_row;
  int64_t columns;
  const float* bias;
  bool accumulate;
  Finish finish;
  bool first_panel;  ///< a's rows are read for the first time
};

/// One tile of c. With kRowsAdjacent a's rows are side by side (a transposed), otherwise its steps.
template <int kRows, int kVectors, bool kRowsAdjacent>
void multiply_tile(const Tile& tile) {
  const FloatTag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto count_of = [&](int64_t v) __attribute__((always_inline)) {
    return static_cast<size_t>(std::min(lanes, tile.columns - v * lanes));
  };
  FloatVector sum[kRows][kVectors];
  unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
    const auto bias =
        tile.bias != nullptr ? load_n(d, tile.bias + v * lanes, count_of(v)) : hn::Zero(d);
    unrolled<kRows>([&](auto r) __attribute__((always_inline)) { sum[r][v] = bias; });
  });

  const int64_t a_row = kRowsAdjacent ? 1 : tile.a_row;
  const int64_t a_step = kRowsAdjacent ? tile.a_step : 1;
  // What caches do not see coming is fetched: b, and a when its rows are side by side, some steps
  // ahead; else the rows of the next tile, at each step as many elements as this tile has rows.
  const int64_t a_ahead = kRowsAdjacent ? kStepsAhead * a_step : kRows * a_row;
  const int64_t a_ahead_step = kRowsAdjacent ? a_step : kRows;
  const float* coming = tile.a + (tile.first_panel ? a_ahead : 0);
  const int64_t coming_step = tile.first_panel ? a_ahead_step : 0;
  for (int64_t segment = 0; segment < tile.depth.segments; ++segment) {
    const float* a = tile.a + segment * tile.a_segment;
    const float* b = tile.b + segment * tile.b_segment;
    for (int64_t k = 0; k < tile.depth.steps; ++k) {
      FloatVector vector[kVectors];
      hwy::Prefetch(coming);
      coming += coming_step;
      unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
        hwy::Prefetch(b + (kStepsAhead * kVectors + v) * lanes);
      });
      unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
        vector[v] = hn::LoadU(d, b + v * lanes);
      });
      unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
        const auto element = hn::Set(d, a[r * a_row]);
        unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
          sum[r][v] = hn::MulAdd(element, vector[v], sum[r][v]);
        });
      });
      a += a_step;
      b += tile.b_step;
    }
  }

  // One thing after the other for the whole tile: where sums are short, this takes as long as they.
  const auto for_each_sum = [&](const auto& body) __attribute__((always_inline)) {
    unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
      unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
        body(sum[r][v], r * tile.c_row + v * lanes, v);
      });
    });
  };
  if (tile.accumulate) {
    for_each_sum([&](FloatVector & value, int64_t at, auto v) __attribute__((always_inline)) {
      value = hn::Add(value, load_n(d, tile.c + at, count_of(v)));
    });
  }
  const auto lower = hn::Set(d, tile.finish.lower);
  const auto upper = hn::Set(d, tile.finish.upper);
  for_each_sum([&](FloatVector & value, int64_t, auto) __attribute__((always_inline)) {
    value = hn::Min(upper, hn::Max(lower, value));
  });
  if (tile.finish.residual != nullptr) {
    for_each_sum([&](FloatVector & value, int64_t at, auto v) __attribute__((always_inline)) {
      value = hn::Add(value, load_n(d, tile.finish.residual + at, count_of(v)));
    });
  }
  if (tile.columns == kVectors * lanes) {
    for_each_sum([&](FloatVector & value, int64_t at, auto)
                     __attribute__((always_inline)) { hn::StoreU(value, d, tile.c + at); });
  } else {
    for_each_sum([&](FloatVector & value, int64_t at, auto v) __attribute__((always_inline)) {
      store_n(value, d, tile.c + at, count_of(v));
    });
  }
}

using TileFunction = void (*)(const Tile&);

/// The tile functions of 1 to kTileRows rows.
template <int kVectors, bool kRowsAdjacent, int... i>
constexpr std::array<TileFunction, kTileRows> tile_functions(std::integer_sequence<int, i...>) {
  return {multiply_tile<i + 1, kVectors, kRowsAdjacent>...};
}

template <int kVectors, bool kRowsAdjacent>
constexpr auto kTileFunctions =
    tile_functions<kVectors, kRowsAdjacent>(std::make_integer_sequence<int, kTileRows>());

const std::array<TileFunction, kTileRows>& tile_functions(int64_t vectors, bool rows_adjacent) {
  if (vectors == 1) return rows_adjacent ? kTileFunctions<1, true> : kTileFunctions<1, false>;
  return rows_adjacent ? kTileFunctions<2, true> : kTileFunctions<2, false>;
}

/// Columns [column, column + columns) of c, at most kTileVectors vectors, in tiles of nearly equal
/// height.
void multiply_panel(Tile tile, int64_t rows) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(FloatTag()));
  const bool rows_adjacent = tile.a_row == 1 && tile.a_step != 1;
  const auto& functions = tile_functions((tile.columns + lanes - 1) / lanes, rows_adjacent);
  const float* a = tile.a;
  float* c = tile.c;
  const float* residual = tile.finish.residual;
  const int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  const int64_t lower = rows / tiles;
  const int64_t lower_ones = tiles - rows % tiles;
  int64_t row = 0;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t height = i < lower_ones ? lower : lower + 1;
    tile.a = a + row * tile.a_row;
    tile.c = c + row * tile.c_row;
    if (residual != nullptr) tile.finish.residual = residual + row * tile.c_row;
    functions[static_cast<size_t>(height - 1)](tile);
    row += height;
  }
}

void multiply(const BroadcastOperand& a, const VectorOperand& b, int64_t rows, int64_t columns,
              Depth depth, const Output& c) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(FloatTag()));
  const int64_t panel = kTileVectors * lanes;
  const int64_t blocks =
      depth.segments == 1 ? std::max<int64_t>((depth.steps + kDepthBlock - 1) / kDepthBlock, 1) : 1;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t first = depth.steps * block / blocks;
    const int64_t steps = depth.steps * (block + 1) / blocks - first;
    const bool accumulate = c.accumulate || block > 0;
    for (int64_t column = 0; column < columns; column += panel) {
      const int64_t count = std::min(panel, columns - column);
      const int64_t b_step = b.packed ? padded_columns(count) : b.step;
      Finish finish{};
      if (block == blocks - 1) finish = c.finish;
      if (finish.residual != nullptr) finish.residual += column;
      const float* b_panel = b.data + column * (b.packed ? depth.total() : 1);
      multiply_panel({.a = a.data + first * a.step,
                      .a_row = a.row,
                      .a_step = a.step,
                      .a_segment = a.segment,
                      .b = b_panel + first * b_step,
                      .b_step = b_step,
                      .b_segment = b.packed ? depth.steps * b_step : b.segment,
                      .depth = {depth.segments, steps},
                      .c = c.data + column,
                      .c_row = c.row,
                      .columns = count,
                      .bias = c.bias != nullptr && !accumulate ? c.bias + column : nullptr,
                      .accumulate = accumulate,
                      .finish = finish,
                      .first_panel = column == 0},
                     rows);
    }
  }
}

/// Rows [begin, end) of a panel of `filled` columns whose rows lie `width` floats apart, from
/// columns that lie `b.column` apart: four by four.
void pack_turned(const PackSource& b, int64_t column, int64_t filled, int64_t begin, int64_t end,
                 int64_t width, float* to) {
  constexpr int64_t kSide = 4;
  const hn::FixedTag<float, kSide> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto scale_of = [&](int64_t j) { return b.scale == nullptr ? 1.0f : b.scale[column + j]; };
  const float* from = b.data + column * b.column;
  const int64_t turned = filled / kSide * kSide;
  const int64_t whole = begin + (end - begin) / kSide * kSide;
  for (int64_t j = 0; j < turned; j += kSide) {
    Vector scale[kSide];
    for (int64_t i = 0; i < kSide; ++i) scale[i] = hn::Set(d, scale_of(j + i));
    for (int64_t k = begin; k < whole; k += kSide) {
      Vector rows[kSide];
      for (int64_t i = 0; i < kSide; ++i) {
        rows[i] = hn::Mul(scale[i], hn::LoadU(d, from + k + (j + i) * b.column));
      }
      const Vector even_low = hn::InterleaveLower(d, rows[0], rows[2]);
      const Vector even_high = hn::InterleaveUpper(d, rows[0], rows[2]);
      const Vector odd_low = hn::InterleaveLower(d, rows[1], rows[3]);
      const Vector odd_high = hn::InterleaveUpper(d, rows[1], rows[3]);
      float* at = to + k * width + j;
      hn::StoreU(hn::InterleaveLower(d, even_low, odd_low), d, at);
      hn::StoreU(hn::InterleaveUpper(d, even_low, odd_low), d, at + width);
      hn::StoreU(hn::InterleaveLower(d, even_high, odd_high), d, at + 2 * width);
      hn::StoreU(hn::InterleaveUpper(d, even_high, odd_high), d, at + 3 * width);
    }
  }
  for (int64_t j = 0; j < filled; ++j) {
    for (int64_t k = j < turned ? whole : begin; k < end; ++k) {
      to[k * width + j] = scale_of(j) * from[k + j * b.column];
    }
  }
}

void pack(const PackSource& b, int64_t first, int64_t count, int64_t depth, int64_t columns,
          float* packed) {
  constexpr int64_t kStripRows = 64;  // of a transposed b: a strip of a panel fits in L1
  const auto lanes = static_cast<int64_t>(hn::Lanes(FloatTag()));
  const int64_t panel = kTileVectors * lanes;
  const bool turned = b.row == 1;
  const int64_t strip_rows = turned ? kStripRows : count;
  parallel_for((columns + panel - 1) / panel, [&](int64_t i) {
    const int64_t column = i * panel;
    const int64_t filled = std::min(panel, columns - column);
    const int64_t width = padded_columns(filled);
    float* to = packed + column * depth + first * width;
    for (int64_t strip = 0; strip < count; strip += strip_rows) {
      const int64_t end = std::min(strip + strip_rows, count);
      if (turned) {
        pack_turned(b, column, filled, strip, end, width, to);
      } else {
        const float* from = b.data + column;
        for (int64_t k = strip; k < end; ++k) std::copy_n(from + k * b.row, filled, to + k * width);
      }
      if (filled == width) continue;
      for (int64_t k = strip; k < end; ++k) {
        std::fill(to + k * width + filled, to + (k + 1) * width, 0.0f);
      }
    }
  });
}

/// c = a * b for a narrow c of long sums: each task packs and multiplies its own part of the sums,
/// and the parts are added up in order.
void multiply_deep(const BroadcastOperand& a, const PackSource& b, int64_t rows, int64_t columns,
                   int64_t depth, const Output& c) {
  constexpr int64_t kTasks = 16;
  constexpr int64_t kPackedFloats = int64_t{1} << 16;  // a packed block and a's stay in L2
  const int64_t tasks = std::min(kTasks, depth);
  float* partials = scratch(Scratch::partial_sums, tasks * rows * columns);
  parallel_for(tasks, [&](int64_t task) {
    const int64_t begin = depth * task / tasks;
    const int64_t end = depth * (task + 1) / tasks;
    const int64_t step = std::max<int64_t>(kPackedFloats / padded_columns(columns), 1);
    float* packed = scratch(Scratch::packed_weights, packed_floats(step, columns));
    for (int64_t k = begin; k < end; k += step) {
      const int64_t count = std::min(step, end - k);
      pack({b.data + k * b.row, b.row, b.column}, 0, count, count, columns, packed);
      multiply({a.data + k * a.step, a.row, a.step}, {packed}, rows, columns, {1, count},
               {partials + task * rows * columns, columns, nullptr, k > begin});
    }
  });
  parallel_for(rows, [&](int64_t row) {
    float* to = c.data + row * c.row;
    for (int64_t j = 0; j < columns; ++j) {
      double sum = 0.0;
      if (c.accumulate) sum = to[j];
      if (!c.accumulate && c.bias != nullptr) sum = c.bias[j];
      for (int64_t task = 0; task < tasks; ++task) {
        sum += partials[(task * rows + row) * columns + j];
      }
      to[j] = static_cast<float>(sum);
    }
  });
}

void multiply_matrices(const BroadcastOperand& a, const PackSource& b, int64_t rows,
                       int64_t columns, int64_t depth, const Output& c) {
  constexpr int64_t kRowsPerBlock = 112;
  constexpr int64_t kColumnsPerBlock = 256;  // whole panels on every target
  constexpr int64_t kDeep = 16;              // partial sums take no more memory than a does
  // Whatever `rows` is, since a row of c must not depend on how many there are.
  if (columns <= kColumnsPerBlock && depth >= kDeep * kColumnsPerBlock) {
    multiply_deep(a, b, rows, columns, depth, c);
    return;
  }
  if (columns > rows) {
    parallel_for((columns + kColumnsPerBlock - 1) / kColumnsPerBlock, [&](int64_t i) {
      const int64_t first = i * kColumnsPerBlock;
      const int64_t count = std::min(kColumnsPerBlock, columns - first);
      float* packed = scratch(Scratch::packed_weights, packed_floats(depth, count));
      pack({b.data + first * b.column, b.row, b.column}, 0, depth, depth, count, packed);
      multiply(a, {packed}, rows, count, {1, depth},
               {c.data + first, c.row, c.bias != nullptr ? c.bias + first : nullptr, c.accumulate});
    });
    return;
  }
  float* packed = scratch(Scratch::packed_weights, packed_floats(depth, columns));
  pack(b, 0, depth, depth, columns, packed);
  parallel_for((rows + kRowsPerBlock - 1) / kRowsPerBlock, [&](int64_t i) {
    const int64_t first = i * kRowsPerBlock;
    multiply({a.data + first * a.row, a.row, a.step}, {packed},
             std::min(kRowsPerBlock, rows - first), columns, {1, depth}, c.from_row(first));
  });
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
