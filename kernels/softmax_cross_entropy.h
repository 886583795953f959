#pragma once

#include "tensor/tensor.h"

/// Softmax over classes and the cross-entropy against a class index.
///
///     p[n, k] = exp(logits[n, k] - max) / sum        loss[n] = -log p[n, labels[n]]
///
/// logits and probabilities (N, K), labels and losses (N). The loss is computed from the logits, so
/// it is finite where p underflows.
namespace ember {

void softmax(const Tensor& logits, Tensor& probabilities);

/// probabilities and the loss of each row.
void softmax_cross_entropy_forward(const Tensor& logits, const LabelTensor& labels,
                                   Tensor& probabilities, Tensor& losses);

/// Gradient of the mean loss: dlogits[n, k] = (p[n, k] - [k == labels[n]]) / N.
void softmax_cross_entropy_backward(const Tensor& probabilities, const LabelTensor& labels,
                                    Tensor& dlogits);

namespace cpu {
void softmax(const Tensor& logits, Tensor& probabilities);
void softmax_cross_entropy_forward(const Tensor& logits, const LabelTensor& labels,
                                   Tensor& probabilities, Tensor& losses);
void softmax_cross_entropy_backward(const Tensor& probabilities, const LabelTensor& labels,
                                    Tensor& dlogits);
}  // namespace cpu

namespace cuda {
void softmax(const Tensor& logits, Tensor& probabilities);
void softmax_cross_entropy_forward(const Tensor& logits, const LabelTensor& labels,
                                   Tensor& probabilities, Tensor& losses);
void softmax_cross_entropy_backward(const Tensor& probabilities, const LabelTensor& labels,
                                    Tensor& dlogits);
}  // namespace cuda

}  // namespace ember
