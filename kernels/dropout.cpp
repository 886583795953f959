#include "kernels/dropout.h"

#include <algorithm>

#include "tensor/dispatch.h"
#include "tensor/parallel.h"

namespace ember {
namespace {

/// to[i] = from[i] / (1 - rate) where element i is kept, else 0; `to` may be `from`. Four elements
/// share a block of the generator.
void drop(const float* from, int64_t size, const DropoutMask& mask, float* to) {
  constexpr int64_t kBlock = int64_t{1} << 12;
  const float rate = mask.rate;
  const float scale = 1.0f / (1.0f - rate);
  const Philox generator = mask.generator();
  parallel_for((size + kBlock - 1) / kBlock, [=](int64_t block) {
    const int64_t end = std::min((block + 1) * kBlock, size);
    for (int64_t i = block * kBlock; i < end; i += 4) {
      const auto bits = generator.block(static_cast<uint64_t>(i / 4));
      for (int64_t k = 0; k < std::min<int64_t>(4, end - i); ++k) {
        const bool keep = Philox::to_unit(bits[static_cast<size_t>(k)]) >= rate;
        to[i + k] = keep ? from[i + k] * scale : 0.0f;
      }
    }
  });
}

}  // namespace

namespace cpu {

void dropout_forward(const Tensor& x, const Pending& pending, const DropoutMask& mask, Tensor& y) {
  cpu::materialize(x, pending, y);
  drop(y.data(), y.size(), mask, y.data());
}

void dropout_backward(const Tensor& dy, const DropoutMask& mask, Tensor& dx) {
  drop(dy.data(), dy.size(), mask, dx.data());
}

}  // namespace cpu

namespace {

void require_rate(const char* operation, float rate) {
  EMBER_REQUIRE(rate >= 0.0f && rate < 1.0f, "{}: rate {} is not within [0, 1)", operation, rate);
}

}  // namespace

void dropout_forward(const Tensor& x, const Pending& pending, const DropoutMask& mask, Tensor& y) {
  require_rate("dropout_forward", mask.rate);
  EMBER_REQUIRE(x.shape() == y.shape(), "dropout_forward: x {}, y {}", to_string(x.shape()),
                to_string(y.shape()));
  EMBER_DISPATCH(x.device(), dropout_forward, x, pending, mask, y);
}

void dropout_backward(const Tensor& dy, const DropoutMask& mask, Tensor& dx) {
  require_rate("dropout_backward", mask.rate);
  EMBER_REQUIRE(dy.shape() == dx.shape(), "dropout_backward: dy {}, dx {}", to_string(dy.shape()),
                to_string(dx.shape()));
  EMBER_DISPATCH(dy.device(), dropout_backward, dy, mask, dx);
}

}  // namespace ember
