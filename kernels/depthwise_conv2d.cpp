#include "kernels/depthwise_conv2d.h"

#include <algorithm>

#include "kernels/conv2d.h"
#include "kernels/cudnn/conv2d.h"
#include "tensor/dispatch.h"
#include "tensor/scratch.h"

namespace ember {
namespace {

Shape require_output_shape(const char* operation, const Shape& x, const Shape& weight,
                           const Window& window) {
  EMBER_REQUIRE(x.rank() == 4 && weight.rank() == 3 && weight[2] == x[3],
                "{}: x {} wants (N, H, W, C) and weight {} (KH, KW, C) with the same C", operation,
                to_string(x), to_string(weight));
  EMBER_REQUIRE(window.stride_h > 0 && window.stride_w > 0, "{}: stride ({}, {}) is not positive",
                operation, window.stride_h, window.stride_w);
  const Padding& padding = window.padding;
  EMBER_REQUIRE(std::min({padding.top, padding.bottom, padding.left, padding.right}) >= 0,
                "{}: padding (top {}, bottom {}, left {}, right {}) is negative", operation,
                padding.top, padding.bottom, padding.left, padding.right);
  const Shape y{x[0], window_outputs(x[1], weight[0], window.stride_h, padding.top, padding.bottom),
                window_outputs(x[2], weight[1], window.stride_w, padding.left, padding.right),
                x[3]};
  EMBER_REQUIRE(y.size() > 0, "{}: x {} is empty, or smaller than weight {} with its padding",
                operation, to_string(x), to_string(weight));
  return y;
}

/// `argument` is what the call names its (N, OH, OW, C) tensor.
void require_shapes(const char* operation, const Shape& x, const Shape& weight,
                    const Window& window, const char* argument, const Shape& y) {
  const Shape expected = require_output_shape(operation, x, weight, window);
  EMBER_REQUIRE(y == expected, "{}: {} {}, but x {} and weight {} make it {}", operation, argument,
                to_string(y), to_string(x), to_string(weight), to_string(expected));
}

}  // namespace

Shape depthwise_conv2d_output_shape(const Shape& x, const Shape& weight, const Window& window) {
  return require_output_shape("depthwise_conv2d", x, weight, window);
}

void depthwise_conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                              const Window& window, Tensor& y, const Epilogue& epilogue) {
  const char* operation = "depthwise_conv2d_forward";
  require_shapes(operation, x.shape(), weight.shape(), window, "y", y.shape());
  require_fits(operation, y, epilogue);
  if (cudnn::conv2d_forward(x, pending, weight, Tensor(), window, y, epilogue)) return;
  EMBER_DISPATCH(x.device(), depthwise_conv2d_forward, x, pending, weight, window, y, epilogue);
}

void expanded_depthwise_conv2d_forward(const Tensor& x, const Expansion& expansion,
                                       const Tensor& weight, const Window& window, Tensor& y,
                                       const Epilogue& epilogue) {
  const char* operation = "expanded_depthwise_conv2d_forward";
  const Shape expanded = conv2d_output_shape(x.shape(), expansion.weight.shape(), {});
  EMBER_REQUIRE(expansion.weight.dim(1) == 1 && expansion.weight.dim(2) == 1,
                "{}: the expansion's weight {} is no 1x1 convolution's", operation,
                to_string(expansion.weight.shape()));
  require_shapes(operation, expanded, weight.shape(), window, "y", y.shape());
  require_fits(operation, y, epilogue);
  if (x.device() == Device::cuda) {
    Tensor whole = scratch_tensor(Scratch::intermediate, expanded, x.device());
    conv2d_forward(x, {}, expansion.weight, {}, {}, whole, {.pending = expansion.pending});
    depthwise_conv2d_forward(whole, {}, weight, window, y, epilogue);
    return;
  }
  const int64_t floats = conv2d_packed_size(expansion.weight.shape(), {}, {});
  Expansion ready = expansion;
  if (ready.packed.empty()) {
    ready.packed = scratch_tensor(Scratch::workspace, {floats}, Device::cpu);
    conv2d_pack(ready.weight, {}, {.pending = ready.pending}, ready.packed);
  }
  EMBER_REQUIRE(ready.packed.size() == floats, "{}: {} packed floats for weight {}", operation,
                ready.packed.size(), to_string(ready.weight.shape()));
  cpu::expanded_depthwise_conv2d_forward(x, ready, weight, window, y, epilogue);
}

void depthwise_conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                            const Window& window, Tensor& dx, BatchNormBackward* norm) {
  require_shapes("depthwise_conv2d_dgrad", dx.shape(), weight.shape(), window, "dz", dz.shape());
  if (norm != nullptr) require_fits("depthwise_conv2d_dgrad", dx, *norm);
  if (cudnn::conv2d_dgrad(dz, pending, weight, window, /*accumulate=*/false, dx)) {
    if (norm != nullptr) batch_norm_backward(dx, *norm);
    return;
  }
  EMBER_DISPATCH(dz.device(), depthwise_conv2d_dgrad, dz, pending, weight, window, dx, norm);
}

void depthwise_conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                            const PendingGradient& dz_pending, const Window& window,
                            Tensor& dweight) {
  require_shapes("depthwise_conv2d_wgrad", x.shape(), dweight.shape(), window, "dz", dz.shape());
  Tensor no_bias;
  if (cudnn::conv2d_wgrad(x, x_pending, dz, dz_pending, window, dweight, no_bias)) return;
  EMBER_DISPATCH(x.device(), depthwise_conv2d_wgrad, x, x_pending, dz, dz_pending, window, dweight);
}

void depthwise_conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                               const PendingGradient& dz_pending, const Tensor& weight,
                               const Window& window, Tensor& dweight, Tensor& dx,
                               BatchNormBackward* norm) {
  const char* operation = "depthwise_conv2d_backward";
  require_shapes(operation, x.shape(), weight.shape(), window, "dz", dz.shape());
  EMBER_REQUIRE(dweight.shape() == weight.shape() && dx.shape() == x.shape(),
                "{}: dweight {}, weight {}, dx {}, x {}", operation, to_string(dweight.shape()),
                to_string(weight.shape()), to_string(dx.shape()), to_string(x.shape()));
  if (norm != nullptr) require_fits(operation, dx, *norm);
  EMBER_DISPATCH(x.device(), depthwise_conv2d_backward, x, x_pending, dz, dz_pending, weight,
                 window, dweight, dx, norm);
}

}  // namespace ember
