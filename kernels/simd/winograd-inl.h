// Minimal filtering F(2x2, 3x3) of Winograd (Lavin & Gray 2015): 3x3 convolutions of stride 1 by
// tiles of 2x2 outputs. Included once for each SIMD target.
//
//     Y = A^T [U * V] A      U = G g G^T      V = B^T d B      * element by element
//
// with the kernel g (3x3), the pixels d (4x4) that a tile sees, and
//
//           1  0 -1  0             1    0    0
//     B^T = 0  1  1  0        G = 1/2  1/2  1/2      A^T = 1  1  1  0
//           0 -1  1  0            1/2 -1/2  1/2            0  1 -1 -1
//           0  1  0 -1             0    0    1
//
// The sum over channels goes between the brackets: for each of the 16 positions in U and V a matrix
// product (tiles, channels) * (channels, outputs), 16 multiplications where the definition has 36.
// The gradient of the weights is the transpose of all this,
//
//     dg = G^T [sum over tiles of V * dM] G      dM = A dY A^T
//
// All constants are 1 and 1/2, so whole numbers stay exact. Positions lie one behind the other,
// each a matrix of tiles (or of outputs) by channels.
#if defined(EMBER_KERNELS_SIMD_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EMBER_KERNELS_SIMD_WINOGRAD_INL_H_
#undef EMBER_KERNELS_SIMD_WINOGRAD_INL_H_
#else
#define EMBER_KERNELS_SIMD_WINOGRAD_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "kernels/simd/convolution-inl.h"
#include "kernels/simd/convolution.h"
#include "kernels/simd/gemm-inl.h"
#include "kernels/simd/pending-inl.h"
#include "tensor/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kWinogradTile = 2;  ///< outputs a side
constexpr int64_t kWinogradPositions = 16;

/// Whether the transforms, which are linear in channels and outputs, cost less than they save.
inline bool winograd_pays(const Convolution& conv) {
  constexpr int64_t kFewest = 16;
  return conv.kernel_h == 3 && conv.kernel_w == 3 && conv.window.stride_h == 1 &&
         conv.window.stride_w == 1 && conv.channels >= kFewest && conv.outputs >= kFewest;
}

inline int64_t winograd_tiles(int64_t length) {
  return (length + kWinogradTile - 1) / kWinogradTile;
}

/// The positions of consecutive tiles, from one of them on.
struct WinogradTiles {
  float* data;
  int64_t position;  ///< floats from one position to the next
};

/// V of one row of `tiles` tiles over x, of whose rows and columns those beyond `rows` (3 or 4) and
/// `columns` count as 0.
inline void winograd_inputs(const ImageRows& x, int64_t rows, int64_t columns, int64_t channels,
                            int64_t tiles, const WinogradTiles& to) {
  const hn::ScalableTag<float> d;
  using Vector = hn::Vec<decltype(d)>;
  for_each_vector(d, channels, [&](int64_t c, size_t count) {
    // A column of pixels, transformed: neighbouring tiles share two.
    const auto load_column = [&](int64_t j, Vector(&column)[4]) {
      if (j >= columns) {
        for (Vector& v : column) v = hn::Zero(d);
        return;
      }
      const float* from = x.data + j * channels + c;
      const auto x0 = load_n(d, from, count);
      const auto x1 = load_n(d, from + x.row, count);
      const auto x2 = load_n(d, from + 2 * x.row, count);
      const auto x3 = rows > 3 ? load_n(d, from + 3 * x.row, count) : hn::Zero(d);
      column[0] = hn::Sub(x0, x2);
      column[1] = hn::Add(x1, x2);
      column[2] = hn::Sub(x2, x1);
      column[3] = hn::Sub(x1, x3);
    };
    Vector column0[4];
    Vector column1[4];
    load_column(0, column0);
    load_column(1, column1);
    for (int64_t tile = 0; tile < tiles; ++tile) {
      Vector column2[4];
      Vector column3[4];
      load_column(tile * kWinogradTile + 2, column2);
      load_column(tile * kWinogradTile + 3, column3);
      float* at = to.data + tile * channels + c;
      for (int i = 0; i < 4; ++i) {
        float* row = at + 4 * i * to.position;
        store_n(hn::Sub(column0[i], column2[i]), d, row, count);
        store_n(hn::Add(column1[i], column2[i]), d, row + to.position, count);
        store_n(hn::Sub(column2[i], column1[i]), d, row + 2 * to.position, count);
        store_n(hn::Sub(column1[i], column3[i]), d, row + 3 * to.position, count);
        column0[i] = column2[i];
        column1[i] = column3[i];
      }
    }
  });
}

/// y = A^T M A for one row of tiles: `rows` (1 or 2) rows of `columns` pixels, as `y` wants them.
inline void winograd_outputs(const WinogradTiles& m, int64_t rows, int64_t columns, int64_t outputs,
                             const Output& y) {
  const hn::ScalableTag<float> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lower = hn::Set(d, y.finish.lower);
  const auto upper = hn::Set(d, y.finish.upper);
  for_each_vector(d, outputs, [&](int64_t c, size_t count) {
    const auto bias = y.bias != nullptr ? load_n(d, y.bias + c, count) : hn::Zero(d);
    for (int64_t column = 0; column < columns; column += kWinogradTile) {
      const float* from = m.data + column / kWinogradTile * outputs + c;
      Vector sum[2][4];
      for (int j = 0; j < 4; ++j) {
        const auto m0 = load_n(d, from + j * m.position, count);
        const auto m1 = load_n(d, from + (4 + j) * m.position, count);
        const auto m2 = load_n(d, from + (8 + j) * m.position, count);
        const auto m3 = load_n(d, from + (12 + j) * m.position, count);
        sum[0][j] = hn::Add(hn::Add(m0, m1), m2);
        sum[1][j] = hn::Sub(hn::Sub(m1, m2), m3);
      }
      for (int64_t r = 0; r < rows; ++r) {
        const Vector pixel[2] = {hn::Add(hn::Add(sum[r][0], sum[r][1]), sum[r][2]),
                                 hn::Sub(hn::Sub(sum[r][1], sum[r][2]), sum[r][3])};
        const int64_t at = (r * columns + column) * y.row + c;
        for (int64_t i = 0; i < std::min(kWinogradTile, columns - column); ++i) {
          float* to = y.data + at + i * y.row;
          auto value = hn::Add(pixel[i], y.accumulate ? load_n(d, to, count) : bias);
          value = hn::Min(upper, hn::Max(lower, value));
          if (y.finish.residual != nullptr) {
            value = hn::Add(value, load_n(d, y.finish.residual + at + i * y.row, count));
          }
          store_n(value, d, to, count);
        }
      }
    }
  });
}

/// dM = A dY A^T of one row of tiles over `rows` (1 or 2) rows of `columns` pixels of dy.
inline void winograd_gradients(const float* dy, int64_t rows, int64_t columns, int64_t outputs,
                               const WinogradTiles& to) {
  const hn::ScalableTag<float> d;
  using Vector = hn::Vec<decltype(d)>;
  for_each_vector(d, outputs, [&](int64_t c, size_t count) {
    for (int64_t column = 0; column < columns; column += kWinogradTile) {
      Vector spread[4][2];
      for (int64_t j = 0; j < kWinogradTile; ++j) {
        const bool inside = column + j < columns;
        const float* from = dy + (column + j) * outputs + c;
        const auto y0 = inside ? load_n(d, from, count) : hn::Zero(d);
        const auto y1 =
            inside && rows > 1 ? load_n(d, from + columns * outputs, count) : hn::Zero(d);
        spread[0][j] = y0;
        spread[1][j] = hn::Add(y0, y1);
        spread[2][j] = hn::Sub(y0, y1);
        spread[3][j] = hn::Neg(y1);
      }
      float* at = to.data + column / kWinogradTile * outputs + c;
      for (int i = 0; i < 4; ++i) {
        float* row = at + 4 * i * to.position;
        store_n(spread[i][0], d, row, count);
        store_n(hn::Add(spread[i][0], spread[i][1]), d, row + to.position, count);
        store_n(hn::Sub(spread[i][0], spread[i][1]), d, row + 2 * to.position, count);
        store_n(hn::Neg(spread[i][1]), d, row + 3 * to.position, count);
      }
    }
  });
}

/// u (16, rows, columns) = G g G^T of a weight (rows, 3, 3, columns), turned by 180 degrees or not.
inline void winograd_kernels(const float* weight, int64_t rows, int64_t columns, bool turned,
                             float* u) {
  const hn::ScalableTag<float> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto half = hn::Set(d, 0.5f);
  const auto spread = [&](Vector g0, Vector g1, Vector g2, Vector(&to)[4]) {
    const auto outer = hn::Mul(half, hn::Add(g0, g2));
    const auto middle = hn::Mul(half, g1);
    to[0] = g0;
    to[1] = hn::Add(outer, middle);
    to[2] = hn::Sub(outer, middle);
    to[3] = g2;
  };
  parallel_for(rows, [&](int64_t row) {
    for_each_vector(d, columns, [&](int64_t c, size_t count) {
      const auto tap = [&](int at) {
        return load_n(d, weight + (row * 9 + (turned ? 8 - at : at)) * columns + c, count);
      };
      Vector by_rows[3][4];
      for (int kw = 0; kw < 3; ++kw) spread(tap(kw), tap(3 + kw), tap(6 + kw), by_rows[kw]);
      for (int i = 0; i < 4; ++i) {
        Vector position[4];
        spread(by_rows[0][i], by_rows[1][i], by_rows[2][i], position);
        for (int j = 0; j < 4; ++j) {
          store_n(position[j], d, u + ((4 * i + j) * rows + row) * columns + c, count);
        }
      }
    });
  });
}

/// dweight (rows, 3, 3, columns) = G^T du G, for du (16, rows, columns).
inline void winograd_kernel_gradients(const float* du, int64_t rows, int64_t columns,
                                      float* dweight) {
  const hn::ScalableTag<float> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto half = hn::Set(d, 0.5f);
  const auto gather = [&](Vector u0, Vector u1, Vector u2, Vector u3, Vector(&to)[3]) {
    const auto outer = hn::Mul(half, hn::Add(u1, u2));
    to[0] = hn::Add(u0, outer);
    to[1] = hn::Mul(half, hn::Sub(u1, u2));
    to[2] = hn::Add(outer, u3);
  };
  parallel_for(rows, [&](int64_t row) {
    for_each_vector(d, columns, [&](int64_t c, size_t count) {
      const auto position = [&](int at) {
        return load_n(d, du + (at * rows + row) * columns + c, count);
      };
      Vector by_rows[4][3];
      for (int j = 0; j < 4; ++j) {
        gather(position(j), position(4 + j), position(8 + j), position(12 + j), by_rows[j]);
      }
      for (int kh = 0; kh < 3; ++kh) {
        Vector taps[3];
        gather(by_rows[0][kh], by_rows[1][kh], by_rows[2][kh], by_rows[3][kh], taps);
        for (int kw = 0; kw < 3; ++kw) {
          store_n(taps[kw], d, dweight + (row * 9 + 3 * kh + kw) * columns + c, count);
        }
      }
    });
  });
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggle
