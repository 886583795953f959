#pragma once

#include "kernels/cudnn/convolution.h"
#include "kernels/cudnn/descriptor.h"

namespace ember::cudnn {

/// The tensors of a convolution's graph, by the ids under which a plan is given their pointers:
/// x or dx, weight or dweight, y or dy, and the bias.
enum class Operand : int64_t { x = 1, weight, y, bias };

/// Bytes at whose multiples operands must begin, for vector accesses.
inline constexpr int64_t kOperandAlignment = 16;

/// The convolution as cuDNN's operation graph: y = conv(x, weight) [+ bias], dx [+]= its transpose,
/// or dweight. cuDNN names dimensions N, C, H, W and O, I/groups, KH, KW whatever their order in
/// memory, which the strides tell; so neither NHWC nor depthwise weights (KH, KW, C) need a copy.
/// Throws where the shapes do not fit.
Descriptor operation_graph(const Convolution& convolution);

}  // namespace ember::cudnn
