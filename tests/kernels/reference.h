#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/pending.h"
#include "tests/kernels/testing.h"

/// Pending transforms in double, and inputs for them, for the references of operations that apply
/// them as they load.
namespace ember {

inline std::vector<double> reference_pending(const Tensor& raw, const Pending& pending) {
  std::vector<double> z = to_double(raw);
  const auto channels = static_cast<size_t>(raw.dim(-1));
  for (size_t i = 0; i < z.size(); ++i) {
    if (pending.has_affine()) {
      z[i] = z[i] * pending.scale[i % channels] + pending.shift[i % channels];
    }
    z[i] = std::clamp(z[i], double{pending.lower}, double{pending.upper});
  }
  return z;
}

inline std::vector<double> reference_pending_gradient(const Tensor& dz,
                                                      const PendingGradient& pending) {
  std::vector<double> dy = to_double(dz);
  if (pending.identity()) return dy;
  const auto channels = static_cast<size_t>(dz.dim(-1));
  for (size_t i = 0; i < dy.size(); ++i) {
    const size_t c = i % channels;
    const double raw = pending.raw[i];
    const Pending& forward = pending.forward;
    const double u = forward.has_affine() ? raw * forward.scale[c] + forward.shift[c] : raw;
    if (u <= forward.lower || u >= forward.upper) dy[i] = 0;
    if (pending.a != nullptr) dy[i] *= pending.a[c];
    if (pending.b != nullptr) dy[i] += pending.b[c] * raw + pending.c[c];
  }
  return dy;
}

/// Whole-number transforms of `channels` channels, which stay exact in float32, and the tensors
/// behind them.
struct IntegerPending {
  Tensor scale;
  Tensor shift;
  Pending pending;

  explicit IntegerPending(int64_t channels)
      : scale(random_integers({channels}, -2, 2, 11)),
        shift(random_integers({channels}, -2, 2, 12)),
        pending{scale.data(), shift.data(), 0.0f, 6.0f} {}
};

struct IntegerPendingGradient {
  IntegerPending forward;
  Tensor raw;
  Tensor a;
  Tensor b;
  Tensor c;
  PendingGradient pending;

  explicit IntegerPendingGradient(const Shape& shape)
      : forward(shape[-1]),
        raw(random_integers(shape, -3, 3, 13)),
        a(random_integers({shape[-1]}, -2, 2, 14)),
        b(random_integers({shape[-1]}, -1, 1, 15)),
        c(random_integers({shape[-1]}, -2, 2, 16)),
        pending{raw.data(), forward.pending, a.data(), b.data(), c.data()} {}
};

/// Whether every element is the whole number that the reference says.
inline bool equal_values(const Tensor& actual, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!(static_cast<double>(actual.data()[i]) == expected[i])) {
      MESSAGE("element " << i << " of " << to_string(actual.shape()) << ": " << actual.data()[i]
                         << ", expected " << expected[i]);
      return false;
    }
  }
  return actual.size() == static_cast<int64_t>(expected.size());
}

}  // namespace ember
