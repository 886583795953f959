#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace ember {

/// What a kernel needs for the length of one call. Each purpose has its own buffer, so that nested
/// kernels can hold several at once.
enum class Scratch {
  input_block,
  output_block,
  packed_weights,
  gradient_block,
  partial_sums,
  intermediate,
  winograd_inputs,
  winograd_outputs,
  workspace,
  count_
};

/// At least `count` floats, 64-byte aligned, owned by the calling thread and kept for its next call
/// (the buffer only grows, so a steady training step allocates nothing). Not initialised; valid
/// until this thread asks again for the same purpose and device; on a GPU, kernels that are queued
/// by then still have it.
float* scratch(Scratch purpose, int64_t count, Device device = Device::cpu);

/// The same as a tensor; it keeps its memory even where the buffer has been replaced.
Tensor scratch_tensor(Scratch purpose, const Shape& shape, Device device);

}  // namespace ember
