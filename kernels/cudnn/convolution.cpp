#include "kernels/cudnn/convolution.h"

#include <fmt/format.h>

namespace ember::cudnn {

int64_t Convolution::output_height() const {
  return window_outputs(height, kernel_h, window.stride_h, window.padding.top,
                        window.padding.bottom);
}

int64_t Convolution::output_width() const {
  return window_outputs(width, kernel_w, window.stride_w, window.padding.left,
                        window.padding.right);
}

Convolution convolution_of(Direction direction, const Shape& x, const Shape& weight,
                           const Window& window) {
  const bool depthwise = weight.rank() == 3;
  const int kernel = depthwise ? 0 : 1;  // where KH stands
  return {.direction = direction,
          .images = x[0],
          .height = x[1],
          .width = x[2],
          .channels = x[3],
          .outputs = depthwise ? x[3] : weight[0],
          .kernel_h = weight[kernel],
          .kernel_w = weight[kernel + 1],
          .depthwise = depthwise,
          .window = window,
          .allowed = {}};
}

std::string to_string(const Convolution& c) {
  constexpr const char* kDirections[] = {"forward", "dgrad", "wgrad"};
  const Padding& padding = c.window.padding;
  return fmt::format(
      "{} of {}x{}{}{}, stride {}x{}, padding {} {} {} {}, ({}, {}, {}, {}) to ({}, {}, {}, "
      "{}){}{}{}",
      kDirections[static_cast<int>(c.direction)], c.kernel_h, c.kernel_w,
      c.depthwise ? " depthwise" : "", c.bias ? " with bias" : "", c.window.stride_h,
      c.window.stride_w, padding.top, padding.bottom, padding.left, padding.right, c.images,
      c.height, c.width, c.channels, c.images, c.output_height(), c.output_width(), c.outputs,
      c.accumulate ? ", adding" : "", c.allowed.tf32 ? ", TF32" : "",
      c.allowed.nondeterministic ? ", in any order" : "");
}

}  // namespace ember::cudnn
