#pragma once

#include <cstdint>
#include <limits>

#include "tensor/tensor.h"

/// Transforms that travel with a tensor instead of being a pass of their own.
///
/// BatchNorm, ReLU and ReLU6 are per-channel affine maps followed by a clip. Instead of writing the
/// result, Ember keeps the *raw* output of the convolution and hands on what is still to be done;
/// whoever reads the activation next applies it while loading. So normalising costs no memory
/// traffic, and backward finds in the raw output all it needs.
namespace ember {

/// What is still to be applied to a raw activation, c being the last dimension's index:
///
///     z[.., c] = clip(scale[c] * raw[.., c] + shift[c], lower, upper)
///
/// `scale` and `shift` hold C values on the activation's device and are both null for scale 1 and
/// shift 0. A default Pending is the identity.
struct Pending {
  const float* scale = nullptr;
  const float* shift = nullptr;
  float lower = -std::numeric_limits<float>::infinity();
  float upper = std::numeric_limits<float>::infinity();

  constexpr bool has_affine() const { return scale != nullptr; }
  constexpr bool has_clip() const {
    return lower != -std::numeric_limits<float>::infinity() ||
           upper != std::numeric_limits<float>::infinity();
  }
  constexpr bool identity() const { return !has_affine() && !has_clip(); }
};

/// What is still to be applied to dz = dL/dz to get the gradient of the raw activation behind it,
/// with the forward transform u = scale[c] * raw + shift[c], z = clip(u, lower, upper):
///
///     dL/draw = a[c] * dz * [lower < u < upper] + b[c] * raw + c[c]
///
/// A clip alone has a = 1, b = c = 0 (the three pointers null); BatchNorm in inference mode has a =
/// scale and b and c null; BatchNorm with batch statistics uses all three (see batch_norm.h). `raw`
/// has the shape of dz; it is null, and the whole transform the identity, by default.
///
/// With `choice`, dz and raw belong to what a max pooling left of the activation (max_pool2d.h):
/// its gradient is the above at the pixels that were chosen, 0 at the others. Convolutions alone,
/// which pool in their epilogue, take such a gradient.
struct PendingGradient {
  const float* raw = nullptr;
  Pending forward{};
  const float* a = nullptr;
  const float* b = nullptr;
  const float* c = nullptr;
  const uint8_t* choice = nullptr;
  int pool_size = 1;

  constexpr bool pooled() const { return choice != nullptr; }
  constexpr bool identity() const { return raw == nullptr && !pooled(); }
  /// Whether the elements of `raw` are needed: not where all that is left is a factor.
  constexpr bool reads_raw() const {
    return raw != nullptr && (forward.has_clip() || b != nullptr);
  }
};

/// z = pending(raw). Shapes equal, any rank; `z` may be `raw`.
void materialize(const Tensor& raw, const Pending& pending, Tensor& z);

/// dx = pending(dz). Shapes equal, any rank; `dx` may be `dz`.
void materialize_gradient(const Tensor& dz, const PendingGradient& pending, Tensor& dx);

namespace cpu {
void materialize(const Tensor& raw, const Pending& pending, Tensor& z);
void materialize_gradient(const Tensor& dz, const PendingGradient& pending, Tensor& dx);
}  // namespace cpu

namespace cuda {
void materialize(const Tensor& raw, const Pending& pending, Tensor& z);
void materialize_gradient(const Tensor& dz, const PendingGradient& pending, Tensor& dx);
}  // namespace cuda

}  // namespace ember
