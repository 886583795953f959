// How the outputs of a convolution, or the pixels of its dgrad, are cut into tasks and blocks and
// computed. Included once for each SIMD target.
#if defined(EMBER_KERNELS_SIMD_SLIDING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBER_KERNELS_SIMD_SLIDING_INL_H_
#undef EMBER_KERNELS_SIMD_SLIDING_INL_H_
#else
#define EMBER_KERNELS_SIMD_SLIDING_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "kernels/simd/convolution-inl.h"
#include "kernels/simd/convolution.h"
#include "kernels/simd/gemm-inl.h"
#include "kernels/simd/winograd-inl.h"
#include "tensor/parallel.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

/// The output rows of all images in units that are finished together: of `rows` rows each, the last
/// one of an image of what is left.
struct RowUnits {
  int64_t images;
  int64_t image_rows;
  int64_t rows;

  int64_t per_image() const { return (image_rows + rows - 1) / rows; }
  int64_t count() const { return images * per_image(); }
  int64_t first_row(int64_t unit) const {
    return unit / per_image() * image_rows + unit % per_image() * rows;
  }
  /// Rows of `units`, counted through all images.
  Run rows_of(Run units) const { return {first_row(units.begin), first_row(units.end)}; }
  Run rows_of(int64_t unit) const { return rows_of({unit, unit + 1}); }
};

/// Tasks that `count` units (of `pixels` each) are cut into: enough for many threads, large enough
/// to keep tiles full. Depends on the shape alone.
inline int64_t task_count(int64_t count, int64_t pixels) {
  constexpr int64_t kTasks = 64;
  constexpr int64_t kPixels = 28;
  const int64_t tasks = std::clamp<int64_t>(count * pixels / kPixels, 1, std::min(kTasks, count));
  return tasks >= 8 ? tasks / 8 * 8 : tasks;
}

/// Calls `body(block)` for blocks of `run` of nearly `length` each.
template <class Body>
void for_each_block(Run run, int64_t length, const Body& body) {
  const int64_t count = run.length();
  const int64_t blocks = (count + length - 1) / length;
  for (int64_t i = 0; i < blocks; ++i) {
    const Run block = part_of(count, blocks, i);
    body(Run{run.begin + block.begin, run.begin + block.end});
  }
}

/// c (rows, columns) = a * packed, where load(first, rows) gives rows of a (depth wide) and
/// finish(task, rows) sees each block of c while it is in cache.
template <class Load, class Finish>
void multiply_rows(int64_t rows, int64_t depth, int64_t columns, const float* packed,
                   const Output& c, int64_t tasks, const Load& load, const Finish& finish) {
  constexpr int64_t kBlockFloats = int64_t{1} << 15;
  const int64_t rows_per_block = std::clamp<int64_t>(kBlockFloats / (depth + columns), 28, 112);
  parallel_for(tasks, [&](int64_t task) {
    for_each_block(part_of(rows, tasks, task), rows_per_block, [&](Run block) {
      const int64_t count = block.length();
      const ImageRows a = load(block.begin, count);
      multiply({a.data, a.row, 1}, {packed}, count, columns, {1, depth}, c.from_row(block.begin));
      finish(task, block);
    });
  });
}

/// The weights of a convolution as `slide` wants them.
struct SlidingKernel {
  const float* packed;
  bool winograd = false;  ///< `packed` holds the 16 matrices of winograd-inl.h
};

/// Packs U (16, rows, columns), of which `b` says where a position's elements are.
inline void pack_winograd(PackSource b, int64_t position, int64_t channels, int64_t outputs,
                          float* packed) {
  const int64_t floats = packed_floats(channels, outputs);
  for (int64_t i = 0; i < kWinogradPositions; ++i, b.data += position) {
    pack(b, 0, channels, channels, outputs, packed + i * floats);
  }
}

/// Computes units of rows of one image, which see `x` from its first row on.
template <class Place, class Finish>
void slide_directly(const Convolution& conv, const RowUnits& units, const float* packed, Run block,
                    const ImageRows& x, const Place& place, const Finish& finish) {
  const Depth depth{conv.kernel_h, conv.kernel_row()};
  const int64_t x_row = conv.window.stride_h * x.row;
  const float* from = x.data;
  for (int64_t unit = block.begin; unit < block.end; ++unit) {
    const Output y = place(unit);
    const Run rows = units.rows_of(unit);
    for (int64_t row = 0; row < rows.length(); ++row, from += x_row) {
      multiply({from, conv.window.stride_w * conv.channels, 1, x.row}, {packed}, conv.out_w,
               conv.outputs, depth, y.from_row(row * conv.out_w));
    }
    finish(unit);
  }
}

/// The same by Winograd's tiles, where units have an even number of rows.
template <class Place, class Finish>
void slide_winograd(const Convolution& conv, const RowUnits& units, const float* packed, Run block,
                    const ImageRows& x, const Place& place, const Finish& finish) {
  const int64_t columns = winograd_tiles(conv.out_w);
  const Run rows = units.rows_of(block);
  const int64_t count = rows.length();
  const int64_t tiles = winograd_tiles(count) * columns;
  const WinogradTiles v{
      scratch(Scratch::winograd_inputs, kWinogradPositions * tiles * conv.channels),
      tiles * conv.channels};
  const WinogradTiles m{
      scratch(Scratch::winograd_outputs, kWinogradPositions * tiles * conv.outputs),
      tiles * conv.outputs};
  for (int64_t row = 0; row < count; row += kWinogradTile) {
    const int64_t first = row / kWinogradTile * columns;
    winograd_inputs({x.data + row * x.row, x.row}, count - row > 1 ? 4 : 3, conv.seen_columns(),
                    conv.channels, columns, {v.data + first * conv.channels, v.position});
  }
  const int64_t floats = packed_floats(conv.channels, conv.outputs);
  for (int64_t i = 0; i < kWinogradPositions; ++i) {
    multiply({v.data + i * v.position, conv.channels, 1}, {packed + i * floats}, tiles,
             conv.outputs, {1, conv.channels}, {m.data + i * m.position, conv.outputs});
  }
  for (int64_t unit = block.begin; unit < block.end; ++unit) {
    const Output y = place(unit);
    const Run of_unit = units.rows_of(unit);
    for (int64_t row = of_unit.begin; row < of_unit.end; row += kWinogradTile) {
      const int64_t first = (row - rows.begin) / kWinogradTile * columns;
      winograd_outputs({m.data + first * conv.outputs, m.position},
                       std::min(kWinogradTile, of_unit.end - row), conv.out_w, conv.outputs,
                       y.from_row((row - of_unit.begin) * conv.out_w));
    }
    finish(unit);
  }
}

/// The convolution proper: load(image, first, rows) gives rows of a padded image, place(unit) says
/// where the outputs of a unit go, finish(task, unit) sees them while they are in cache.
template <class Load, class Place, class Finish>
void slide(const Convolution& conv, const RowUnits& units, const SlidingKernel& kernel,
           int64_t tasks, const Load& load, const Place& place, const Finish& finish) {
  constexpr int64_t kBlockFloats = int64_t{1} << 15;
  constexpr int64_t kWinogradFloats = int64_t{1} << 17;
  const int64_t stride = conv.window.stride_h;
  const int64_t row_floats = stride * conv.seen_columns() * conv.channels;
  const int64_t tile_floats =
      kWinogradPositions * winograd_tiles(conv.out_w) * (conv.channels + conv.outputs);
  const int64_t units_per_block = std::max<int64_t>(
      kernel.winograd ? kWinogradFloats / (units.rows / kWinogradTile * tile_floats)
                      : kBlockFloats / (units.rows * row_floats),
      1);
  parallel_for(tasks, [&](int64_t task) {
    const Run run = part_of(units.count(), tasks, task);
    const auto finish_unit = [&](int64_t unit) { finish(task, unit); };
    for (int64_t begin = run.begin; begin < run.end;) {
      const int64_t image = begin / units.per_image();
      const int64_t end = std::min(run.end, (image + 1) * units.per_image());
      for_each_block({begin, end}, units_per_block, [&](Run block) {
        const Run rows = units.rows_of(block);
        const ImageRows x = load(image, (rows.begin - image * units.image_rows) * stride,
                                 conv.seen_rows(rows.length()));
        if (kernel.winograd) {
          slide_winograd(conv, units, kernel.packed, block, x, place, finish_unit);
        } else {
          slide_directly(conv, units, kernel.packed, block, x, place, finish_unit);
        }
      });
      begin = end;
    }
  });
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggle
