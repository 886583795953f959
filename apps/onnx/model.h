#pragma once

#include <onnx/onnx_pb.h>

#include "nn/model.h"
#include "nn/model_file.h"

namespace ember {

/// What becomes of BatchNorm: part of the convolution before it, where nothing else reads that one,
/// or a node of its own.
enum class BatchNormForm { folded, kept };

/// A trained model in the ONNX format, operator set 17. Its input is `images` (batch, 3, height,
/// width); its outputs are `logits` and `probabilities` (batch, classes), or, of a base without a
/// head, `features`. What a program must know to use it, and what weights/convert_onnx needs to
/// turn it back, stands in its metadata, which weights/README.md lists.
onnx::ModelProto onnx_model(const Model& model, const ModelDescription& description,
                            BatchNormForm form);

}  // namespace ember
