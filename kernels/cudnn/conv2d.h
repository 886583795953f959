#pragma once

#include "kernels/epilogue.h"
#include "kernels/pending.h"
#include "kernels/window.h"
#include "tensor/tensor.h"

/// Convolutions through cuDNN, plain ones and, where the weights are (KH, KW, C), depthwise ones.
///
/// cuDNN neither applies a pending transform while it loads nor gathers moments while it stores, so
/// these materialise what is pending first and read the output once more for the moments.
///
/// Tensors on another device than the input are refused as EMBER_DISPATCH refuses them. Else these
/// return false, and have changed nothing, where ConvBackend::cudnn is not chosen, a tensor is
/// not on the GPU, cuDNN has no plan or fails: the caller then runs its own kernel. The reason goes
/// to stderr, once for each convolution.
namespace ember::cudnn {

/// The contracts are those of kernels/conv2d.h and kernels/depthwise_conv2d.h.
bool conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                    const Tensor& bias, const Window& window, Tensor& y, const Epilogue& epilogue);

bool conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                  const Window& window, bool accumulate, Tensor& dx);

bool conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                  const PendingGradient& dz_pending, const Window& window, Tensor& dweight,
                  Tensor& dbias);

}  // namespace ember::cudnn
