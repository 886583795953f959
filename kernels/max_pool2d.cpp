#include "kernels/max_pool2d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/max_pool2d.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/simd/pending-inl.h"
#include "tensor/dispatch.h"
#include "tensor/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

/// A vector's worth of choices, as bytes at rest and as integers beside the floats.
template <class D>
using ChoiceBytes = hn::Rebind<uint8_t, D>;
template <class D>
using Choices = hn::Rebind<int32_t, D>;

/// A NaN in the window is its maximum, the first one if there are several.
void PoolForward(const float* x, const Shape& x_shape, const Pending& pending, int size, float* y,
                 const Shape& y_shape, uint8_t* choice) {
  const int64_t height = x_shape[1];
  const int64_t width = x_shape[2];
  const int64_t channels = x_shape[3];
  const int64_t out_height = y_shape[1];
  const int64_t out_width = y_shape[2];
  parallel_for(y_shape[0] * out_height, [&](int64_t row) {
    const hn::ScalableTag<float> d;
    const Choices<decltype(d)> d_choice;
    const ChoiceBytes<decltype(d)> d_bytes;
    const int64_t in_row = row / out_height * height + row % out_height * size;
    for (int64_t ow = 0; ow < out_width; ++ow) {
      const float* window = x + (in_row * width + ow * size) * channels;
      const int64_t to = (row * out_width + ow) * channels;
      for_each_vector(d, channels, [&](int64_t c, size_t lanes) {
        auto best = pending_forward(d, pending, load_n(d, window + c, lanes), c, lanes);
        auto best_at = hn::Zero(d_choice);
        for (int k = 1; k < size * size; ++k) {
          const float* at = window + (k / size * width + k % size) * channels + c;
          const auto value = pending_forward(d, pending, load_n(d, at, lanes), c, lanes);
          const auto better = hn::AndNot(hn::IsNaN(best), hn::Not(hn::Ge(best, value)));
          best = hn::IfThenElse(better, value, best);
          best_at = hn::IfThenElse(hn::RebindMask(d_choice, better), hn::Set(d_choice, k), best_at);
        }
        store_n(best, d, y + to + c, lanes);
        HWY_ALIGN uint8_t bytes[HWY_MAX_BYTES];
        hn::Store(hn::DemoteTo(d_bytes, best_at), d_bytes, bytes);
        std::copy_n(bytes, lanes, choice + to + c);
      });
    }
  });
}

void PoolBackward(const float* dy, const Shape& y_shape, const uint8_t* choice, int size, float* dx,
                  const Shape& x_shape) {
  const int64_t height = x_shape[1];
  const int64_t width = x_shape[2];
  const int64_t channels = x_shape[3];
  const int64_t out_height = y_shape[1];
  const int64_t out_width = y_shape[2];
  parallel_for(y_shape[0] * out_height, [&](int64_t row) {
    const hn::ScalableTag<float> d;
    const Choices<decltype(d)> d_choice;
    const ChoiceBytes<decltype(d)> d_bytes;
    const int64_t out_row = row % out_height;
    float* to = dx + (row / out_height * height + out_row * size) * width * channels;
    for (int64_t ow = 0; ow < out_width; ++ow) {
      const int64_t from = (row * out_width + ow) * channels;
      float* window = to + ow * size * channels;
      for_each_vector(d, channels, [&](int64_t c, size_t lanes) {
        const auto gradient = load_n(d, dy + from + c, lanes);
        HWY_ALIGN uint8_t bytes[HWY_MAX_BYTES] = {};
        std::copy_n(choice + from + c, lanes, bytes);
        const auto chosen = hn::PromoteTo(d_choice, hn::Load(d_bytes, bytes));
        for (int k = 0; k < size * size; ++k) {
          const auto here = hn::RebindMask(d, hn::Eq(chosen, hn::Set(d_choice, k)));
          store_n(hn::IfThenElseZero(here, gradient), d,
                  window + (k / size * width + k % size) * channels + c, lanes);
        }
      });
    }
    // What fills no window: the columns on the right, and the rows below the last window.
    const int64_t used = out_width * size;
    for (int64_t h = 0; h < size; ++h) {
      std::fill_n(to + (h * width + used) * channels, (width - used) * channels, 0.0f);
    }
    if (out_row == out_height - 1) {
      std::fill_n(to + size * width * channels, (height - out_height * size) * width * channels,
                  0.0f);
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

void max_pool2d_backward(const Tensor& dy, const ByteTensor& choice, int size, Tensor& dx) {
  HWY_DYNAMIC_DISPATCH(PoolBackward)
  (dy.data(), dy.shape(), choice.data(), size, dx.data(), dx.shape());
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
                    const Shape& pooled, const Shape& choice, int size) {
  const Shape expected = require_output_shape(operation, x, image, size);
  EMBER_REQUIRE(pooled == expected, "{}: {} {}, but {} {} and size {} make it {}", operation, y,
                to_string(pooled), x, to_string(image), size, to_string(expected));
  EMBER_REQUIRE(choice == expected, "{}: choice {}, but {} {} and size {} make it {}", operation,
                to_string(choice), x, to_string(image), size, to_string(expected));
}

}  // namespace

Shape max_pool2d_output_shape(const Shape& x, int size) {
  return require_output_shape("max_pool2d", "x", x, size);
}

void max_pool2d_forward(const Tensor& x, const Pending& pending, int size, Tensor& y,
                        ByteTensor& choice) {
  require_shapes("max_pool2d_forward", "x", x.shape(), "y", y.shape(), choice.shape(), size);
  EMBER_DISPATCH(x.device(), max_pool2d_forward, x, pending, size, y, choice);
}

void max_pool2d_backward(const Tensor& dy, const ByteTensor& choice, int size, Tensor& dx) {
  require_shapes("max_pool2d_backward", "dx", dx.shape(), "dy", dy.shape(), choice.shape(), size);
  EMBER_DISPATCH(dy.device(), max_pool2d_backward, dy, choice, size, dx);
}

}  // namespace ember
#endif  // HWY_ONCE
