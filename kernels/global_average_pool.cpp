#include "kernels/global_average_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/global_average_pool.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/simd/pending-inl.h"
#include "tensor/dispatch.h"
#include "tensor/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

/// The sum of each stretch of some pixels is taken on its own, so that the error stays near that of
/// a pairwise sum on large images too.
void AverageForward(const float* x, int64_t images, int64_t pixels, int64_t channels,
                    const Pending& pending, float* y) {
  constexpr int64_t kStretch = 64;
  parallel_for(images, [&](int64_t image) {
    const hn::ScalableTag<float> d;
    const auto divisor = hn::Set(d, static_cast<float>(pixels));
    const float* from = x + image * pixels * channels;
    for_each_vector(d, channels, [&](int64_t c, size_t lanes) {
      auto sum = hn::Zero(d);
      for (int64_t first = 0; first < pixels; first += kStretch) {
        auto stretch = hn::Zero(d);
        for (int64_t pixel = first; pixel < std::min(first + kStretch, pixels); ++pixel) {
          const auto raw = load_n(d, from + pixel * channels + c, lanes);
          stretch = hn::Add(stretch, pending_forward(d, pending, raw, c, lanes));
        }
        sum = hn::Add(sum, stretch);
      }
      store_n(hn::Div(sum, divisor), d, y + image * channels + c, lanes);
    });
  });
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {
namespace cpu {

HWY_EXPORT(AverageForward);

void global_average_pool_forward(const Tensor& x, const Pending& pending, Tensor& y) {
  HWY_DYNAMIC_DISPATCH(AverageForward)
  (x.data(), x.dim(0), x.dim(1) * x.dim(2), x.dim(3), pending, y.data());
}

void global_average_pool_backward(const Tensor& dy, Tensor& dx) {
  const int64_t pixels = dx.dim(1) * dx.dim(2);
  const int64_t channels = dx.dim(3);
  parallel_for(dx.dim(0), [&](int64_t image) {
    const float* gradient = dy.data() + image * channels;
    float* to = dx.data() + image * pixels * channels;
    for (int64_t c = 0; c < channels; ++c) to[c] = gradient[c] / static_cast<float>(pixels);
    for (int64_t pixel = 1; pixel < pixels; ++pixel) {
      std::copy_n(to, channels, to + pixel * channels);
    }
  });
}

}  // namespace cpu

namespace {

/// `x` and `y` are what the call names its (N, H, W, C) and (N, C) arguments.
void require_shapes(const char* operation, const char* x, const Shape& image, const char* y,
                    const Shape& pooled) {
  EMBER_REQUIRE(image.rank() == 4 && image.size() > 0, "{}: {} {} wants (N, H, W, C), not empty",
                operation, x, to_string(image));
  EMBER_REQUIRE((pooled == Shape{image[0], image[3]}), "{}: {} {}, but {} is {}", operation, y,
                to_string(pooled), x, to_string(image));
}

}  // namespace

void global_average_pool_forward(const Tensor& x, const Pending& pending, Tensor& y) {
  require_shapes("global_average_pool_forward", "x", x.shape(), "y", y.shape());
  EMBER_DISPATCH(x.device(), global_average_pool_forward, x, pending, y);
}

void global_average_pool_backward(const Tensor& dy, Tensor& dx) {
  require_shapes("global_average_pool_backward", "dx", dx.shape(), "dy", dy.shape());
  EMBER_DISPATCH(dy.device(), global_average_pool_backward, dy, dx);
}

}  // namespace ember
#endif  // HWY_ONCE
