#include "kernels/max_pool2d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/max_pool2d.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/simd/max_pool-inl.h"
#include "tensor/dispatch.h"
#include "tensor/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

void PoolForward(const float* x, const Shape& x_shape, const Pending& pending, int size, float* y,
                 const Shape& y_shape, uint8_t* choice) {
  const int64_t row_floats = x_shape[2] * x_shape[3];
  const int64_t out_height = y_shape[1];
  const int64_t out_row_floats = y_shape[2] * y_shape[3];
  parallel_for(y_shape[0] * out_height, [&](int64_t row) {
    const int64_t in_row = row / out_height * x_shape[1] + row % out_height * size;
    max_pool_row(x + in_row * row_floats, row_floats, x_shape[3], pending, size, y_shape[2],
                 y + row * out_row_floats, choice + row * out_row_floats);
  });
}

void PoolBackward(const float* dy, const Shape& y_shape, const PendingGradient& pending, float* dx,
                  const Shape& x_shape) {
  const int64_t height = x_shape[1];
  const int64_t width = x_shape[2];
  const int64_t channels = x_shape[3];
  const int64_t out_height = y_shape[1];
  const int64_t row_floats = width * channels;
  const int size = pending.pool_size;
  parallel_for(y_shape[0] * out_height, [&](int64_t row) {
    const int64_t out_row = row % out_height;
    float* to = dx + (row / out_height * height + out_row * size) * row_floats;
    for (int kh = 0; kh < size; ++kh) {
      max_unpool_row(dy, pending, channels, y_shape[2], row, kh, 0, width, to + kh * row_floats,
                     channels);
    }
    if (out_row == out_height - 1) {  // the rows below the last window
      std::fill_n(to + size * row_floats, (height - out_height * size) * row_floats, 0.0f);
    }
  });
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {
namespace cpu {

HWY_EXPORT(PoolForward);
HWY_EXPORT(PoolBackward);

void max_pool2d_forward(const Tensor& x, const Pending& pending, int size, Tensor& y,
                        ByteTensor& choice) {
  HWY_DYNAMIC_DISPATCH(PoolForward)
  (x.data(), x.shape(), pending, size, y.data(), y.shape(), choice.data());
}

void max_pool2d_backward(const Tensor& dy, const PendingGradient& pending, Tensor& dx) {
  HWY_DYNAMIC_DISPATCH(PoolBackward)(dy.data(), dy.shape(), pending, dx.data(), dx.shape());
}

}  // namespace cpu

namespace {

Shape require_output_shape(const char* operation, const char* argument, const Shape& x, int size) {
  EMBER_REQUIRE(size >= 1 && size <= 16, "{}: size {} is not within 1 to 16", operation, size);
  EMBER_REQUIRE(x.rank() == 4 && x.size() > 0 && x[1] >= size && x[2] >= size,
                "{}: {} {} wants (N, H, W, C) with H and W of at least size {}", operation,
                argument, to_string(x), size);
  return {x[0], x[1] / size, x[2] / size, x[3]};
}

/// `x` and `y` are what the call names its (N, H, W, C) and (N, H/size, W/size, C) arguments.
void require_shapes(const char* operation, const char* x, const Shape& image, const char* y,
                    const Shape& pooled, int size) {
  const Shape expected = require_output_shape(operation, x, image, size);
  EMBER_REQUIRE(pooled == expected, "{}: {} {}, but {} {} and size {} make it {}", operation, y,
                to_string(pooled), x, to_string(image), size, to_string(expected));
}

}  // namespace

Shape max_pool2d_output_shape(const Shape& x, int size) {
  return require_output_shape("max_pool2d", "x", x, size);
}

void max_pool2d_forward(const Tensor& x, const Pending& pending, int size, Tensor& y,
                        ByteTensor& choice) {
  require_shapes("max_pool2d_forward", "x", x.shape(), "y", y.shape(), size);
  require_shapes("max_pool2d_forward", "x", x.shape(), "choice", choice.shape(), size);
  EMBER_DISPATCH(x.device(), max_pool2d_forward, x, pending, size, y, choice);
}

void max_pool2d_backward(const Tensor& dy, const PendingGradient& pending, Tensor& dx) {
  EMBER_REQUIRE(pending.pooled(), "max_pool2d_backward: no choice is pending");
  require_shapes("max_pool2d_backward", "dx", dx.shape(), "dy", dy.shape(), pending.pool_size);
  EMBER_DISPATCH(dy.device(), max_pool2d_backward, dy, pending, dx);
}

}  // namespace ember
#endif  // HWY_ONCE
