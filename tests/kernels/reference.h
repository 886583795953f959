#pragma once

#include <algorithm>
#include <vector>

#include "kernels/batch_norm.h"
#include "kernels/epilogue.h"
#include "kernels/pending.h"
#include "tests/kernels/testing.h"

/// Pending transforms in double, and inputs for them, for the references of operations that apply
/// them as they load.
namespace ember {

/// A per-channel array of the device under test, or what a null one stands for.
inline std::vector<double> per_channel(const float* data, size_t channels, double absent) {
  return data == nullptr ? std::vector<double>(channels, absent) : to_double(data, channels);
}

inline std::vector<double> reference_pending(const Tensor& raw, const Pending& pending) {
  std::vector<double> z = to_double(raw);
  const auto channels = static_cast<size_t>(raw.dim(-1));
  const auto scale = per_channel(pending.scale, channels, 1);
  const auto shift = per_channel(pending.shift, channels, 0);
  for (size_t i = 0; i < z.size(); ++i) {
    const double u = z[i] * scale[i % channels] + shift[i % channels];
    z[i] = std::clamp(u, double{pending.lower}, double{pending.upper});
  }
  return z;
}

inline std::vector<double> reference_pending_gradient(const Tensor& dz,
                                                      const PendingGradient& pending) {
  std::vector<double> dy = to_double(dz);
  if (pending.identity()) return dy;
  const auto channels = static_cast<size_t>(dz.dim(-1));
  const auto raw = to_double(pending.raw, dy.size());
  const auto scale = per_channel(pending.forward.scale, channels, 1);
  const auto shift = per_channel(pending.forward.shift, channels, 0);
  const auto a = per_channel(pending.a, channels, 1);
  const auto b = per_channel(pending.b, channels, 0);
  const auto c = per_channel(pending.c, channels, 0);
  for (size_t i = 0; i < dy.size(); ++i) {
    const size_t k = i % channels;
    const double u = raw[i] * scale[k] + shift[k];
    if (u <= pending.forward.lower || u >= pending.forward.upper) dy[i] = 0;
    dy[i] = a[k] * dy[i] + b[k] * raw[i] + c[k];
  }
  return dy;
}

/// pending(y) + residual, of a y with `channels` channels; no residual where it is empty.
inline std::vector<double> reference_epilogue(const std::vector<double>& y, size_t channels,
                                              const Epilogue& epilogue) {
  std::vector<double> z = y;
  const auto scale = per_channel(epilogue.pending.scale, channels, 1);
  const auto shift = per_channel(epilogue.pending.shift, channels, 0);
  const auto residual =
      epilogue.residual.empty() ? std::vector<double>(y.size()) : to_double(epilogue.residual);
  for (size_t i = 0; i < z.size(); ++i) {
    const double u = z[i] * scale[i % channels] + shift[i % channels];
    z[i] = std::clamp(u, double{epilogue.pending.lower}, double{epilogue.pending.upper});
    z[i] += residual[i];
  }
  return z;
}

/// Calls `body(epilogue)` with a clip, an affine map and clip, a residual, and all of it.
template <typename Body>
void for_each_epilogue(const Shape& y, const Body& body) {
  const Tensor scale = random_integers({y[-1]}, -2, 2, 21);
  const Tensor shift = random_integers({y[-1]}, -9, 9, 22);
  const Tensor residual = random_integers(y, -9, 9, 23);
  const Pending clip{.lower = -4, .upper = 20};
  const Pending whole{scale.data(), shift.data(), 0, 30};
  for (const Epilogue& epilogue :
       {Epilogue{.pending = clip}, Epilogue{.pending = whole}, Epilogue{.residual = residual},
        Epilogue{.pending = whole, .residual = residual}}) {
    body(epilogue);
  }
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

/// A BatchNorm behind whose clip a gradient of `shape` is written, its results poisoned. With whole
/// numbers for a gradient, its sums are exact.
struct IntegerBatchNorm {
  Tensor raw;
  IntegerPending forward;
  Moments moments;
  Tensor dgamma;
  Tensor dbeta;
  BatchNormCoefficients coefficients;
  BatchNormBackward norm;

  explicit IntegerBatchNorm(const Shape& shape)
      : raw(random_integers(shape, -3, 3, 17)),
        forward(shape[-1]),
        moments{random_integers({shape[-1]}, -1, 1, 18), filled({shape[-1]}, 0.25f)},
        dgamma(poisoned({shape[-1]})),
        dbeta(poisoned({shape[-1]})),
        coefficients{poisoned({shape[-1]}), poisoned({shape[-1]}), poisoned({shape[-1]})},
        norm{raw,   forward.pending, random_integers({shape[-1]}, -2, 2, 19), moments, 0.0f, dgamma,
             dbeta, &coefficients} {}
  IntegerBatchNorm(const IntegerBatchNorm&) = delete;
  IntegerBatchNorm& operator=(const IntegerBatchNorm&) = delete;

  std::vector<Tensor> results() const {
    return {dgamma, dbeta, coefficients.a, coefficients.b, coefficients.c};
  }
};

/// Whether the BatchNorm that `gathered` belongs to got of dx what batch_norm_backward makes of it.
inline bool equals_batch_norm_of(const Tensor& dx, const IntegerBatchNorm& gathered) {
  const IntegerBatchNorm apart(dx.shape());
  batch_norm_backward(dx, apart.norm);
  const auto expected = apart.results();
  const auto results = gathered.results();
  return std::equal(results.begin(), results.end(), expected.begin(), equal_bytes<float>);
}

}  // namespace ember
