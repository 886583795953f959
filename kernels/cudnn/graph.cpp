#include "kernels/cudnn/graph.h"

#define ATTRIBUTE EMBER_CUDNN_ATTRIBUTE

namespace ember::cudnn {
namespace {

using Sizes = std::array<int64_t, 4>;

Descriptor tensor(Operand id, const Sizes& sizes, const Sizes& strides, bool in_memory = true) {
  // A tensor that stays inside the graph shares the id of the operand it becomes, negated.
  const auto unique = static_cast<int64_t>(id);
  return Descriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, "tensor")
      .set(ATTRIBUTE(TENSOR_UNIQUE_ID), in_memory ? unique : -unique)
      .set(ATTRIBUTE(TENSOR_DATA_TYPE), CUDNN_DATA_FLOAT)
      .set(ATTRIBUTE(TENSOR_BYTE_ALIGNMENT), kOperandAlignment)
      .set(ATTRIBUTE(TENSOR_DIMENSIONS), sizes)
      .set(ATTRIBUTE(TENSOR_STRIDES), strides)
      .set(ATTRIBUTE(TENSOR_IS_VIRTUAL), !in_memory)
      .finalize();
}

// Sizes (a, c, h, w) of an array that lies in memory as (a, h, w, c).
Sizes channels_last(const Sizes& sizes) {
  const auto [a, c, h, w] = sizes;
  return {h * w * c, 1, w * c, c};
}

Descriptor weights(const Convolution& c) {
  const Sizes sizes{c.outputs, c.depthwise ? 1 : c.channels, c.kernel_h, c.kernel_w};
  const Sizes depthwise{1, 1, c.kernel_w * c.channels, c.channels};
  return tensor(Operand::weight, sizes, c.depthwise ? depthwise : channels_last(sizes));
}

Descriptor window(const Window& window) {
  using Pair = std::array<int64_t, 2>;
  const Padding& padding = window.padding;
  return Descriptor(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "convolution")
      .set(ATTRIBUTE(CONVOLUTION_SPATIAL_DIMS), int64_t{2})
      .set(ATTRIBUTE(CONVOLUTION_COMP_TYPE), CUDNN_DATA_FLOAT)
      .set(ATTRIBUTE(CONVOLUTION_CONV_MODE), CUDNN_CROSS_CORRELATION)
      .set(ATTRIBUTE(CONVOLUTION_PRE_PADDINGS), Pair{padding.top, padding.left})
      .set(ATTRIBUTE(CONVOLUTION_POST_PADDINGS), Pair{padding.bottom, padding.right})
      .set(ATTRIBUTE(CONVOLUTION_FILTER_STRIDES), Pair{window.stride_h, window.stride_w})
      .set(ATTRIBUTE(CONVOLUTION_DILATIONS), Pair{1, 1})
      .finalize();
}

// The three directions say the same in different words. Result = alpha * product + beta * result.
struct Vocabulary {
  cudnnBackendDescriptorType_t type;
  const char* name;
  Attribute window, x, weight, y, alpha, beta;
};

#define VOCABULARY(operation, word, x, weight, y, name)                 \
  {                                                                     \
    CUDNN_BACKEND_OPERATION_CONVOLUTION_##operation##_DESCRIPTOR, name, \
        ATTRIBUTE(OPERATION_CONVOLUTION_##word##_CONV_DESC),            \
        ATTRIBUTE(OPERATION_CONVOLUTION_##word##_##x),                  \
        ATTRIBUTE(OPERATION_CONVOLUTION_##word##_##weight),             \
        ATTRIBUTE(OPERATION_CONVOLUTION_##word##_##y),                  \
        ATTRIBUTE(OPERATION_CONVOLUTION_##word##_ALPHA),                \
        ATTRIBUTE(OPERATION_CONVOLUTION_##word##_BETA)                  \
  }
constexpr Vocabulary kVocabulary[] = {
    VOCABULARY(FORWARD, FORWARD, X, W, Y, "forward convolution"),
    VOCABULARY(BACKWARD_DATA, BWD_DATA, DX, W, DY, "dgrad"),
    VOCABULARY(BACKWARD_FILTER, BWD_FILTER, X, DW, DY, "wgrad"),
};
#undef VOCABULARY

Descriptor add(const Descriptor& a, const Descriptor& b, const Descriptor& sum) {
  const Descriptor mode = Descriptor(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "addition")
                              .set(ATTRIBUTE(POINTWISE_MODE), CUDNN_POINTWISE_ADD)
                              .set(ATTRIBUTE(POINTWISE_MATH_PREC), CUDNN_DATA_FLOAT)
                              .finalize();
  return Descriptor(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "addition of the bias")
      .set(ATTRIBUTE(OPERATION_POINTWISE_PW_DESCRIPTOR), mode)
      .set(ATTRIBUTE(OPERATION_POINTWISE_XDESC), a)
      .set(ATTRIBUTE(OPERATION_POINTWISE_BDESC), b)
      .set(ATTRIBUTE(OPERATION_POINTWISE_YDESC), sum)
      .finalize();
}

}  // namespace

Descriptor operation_graph(const Convolution& c) {
  const Sizes x{c.images, c.channels, c.height, c.width};
  const Sizes y{c.images, c.outputs, c.output_height(), c.output_width()};
  const Sizes bias{1, c.outputs, 1, 1};
  const Descriptor result = tensor(Operand::y, y, channels_last(y));
  const Descriptor product =
      c.bias ? tensor(Operand::y, y, channels_last(y), /*in_memory=*/false) : result;

  const Vocabulary& words = kVocabulary[static_cast<int>(c.direction)];
  std::vector<Descriptor> operations{Descriptor(words.type, words.name)
                                         .set(words.window, window(c.window))
                                         .set(words.x, tensor(Operand::x, x, channels_last(x)))
                                         .set(words.weight, weights(c))
                                         .set(words.y, product)
                                         .set(words.alpha, 1.0)
                                         .set(words.beta, c.accumulate ? 1.0 : 0.0)
                                         .finalize()};
  if (c.bias) {
    operations.push_back(add(product, tensor(Operand::bias, bias, channels_last(bias)), result));
  }
  return Descriptor(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "operation graph")
      .set(ATTRIBUTE(OPERATIONGRAPH_OPS), operations)
      .finalize();
}

}  // namespace ember::cudnn
