#pragma once

#include "kernels/pending.h"
#include "tensor/scratch.h"

/// For kernels that cannot apply what is pending as they load: it is applied to a copy beforehand,
/// in scratch memory of the tensor's device; the tensor itself where nothing is pending.
namespace ember {

inline Tensor settled(const Tensor& raw, const Pending& pending, Scratch purpose) {
  if (pending.identity()) return raw;
  Tensor z = scratch_tensor(purpose, raw.shape(), raw.device());
  materialize(raw, pending, z);
  return z;
}

inline Tensor settled(const Tensor& dz, const PendingGradient& pending, Scratch purpose) {
  if (pending.identity()) return dz;
  Tensor dy = scratch_tensor(purpose, dz.shape(), dz.device());
  materialize_gradient(dz, pending, dy);
  return dy;
}

}  // namespace ember
