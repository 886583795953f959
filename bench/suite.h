#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/pending.h"
#include "nn/layer_cases.h"
#include "tensor/tensor.h"

/// What the kernels' benchmarks share. Each is registered for every device under a name such as
///
///     conv2d_forward/cpu/mobilenet_v2/Conv1
///     conv2d_forward/cuda/cudnn/mobilenet_v2/Conv1
///
/// after its operation, the device, on a GPU whose kernels, and the first layer of the case.
///
/// On the CPU a call is timed by the wall clock, its tensors as warm in the caches as the call
/// before has left them; on a GPU by events, its tensors not in the second-level cache (see
/// tensor/cuda/timing.h). One call goes before, so that scratch memory, plans and code are there.
namespace ember {

/// Whose kernels a benchmark runs on a GPU; on the CPU all are Ember's own.
enum class Kernels { own, naive, cudnn };

/// What one call does at the least. Beside the mean time stands that of the `fastest` call, in
/// microseconds, on which other programs had the least influence. The rates are these figures over
/// it: B/s, FLOP/s, and `copy%`, B/s in per cent of what copying memory reaches on the same device.
struct Work {
  int64_t floats = 0;  ///< float32 values moved: all of a tensor, once for reading and for writing
  int64_t products = 0;  ///< multiply-adds, two operations each
};

/// The benchmarks of one device, and how large they are.
struct Suite {
  Device device;
  std::string name;  ///< "cpu", "cuda", "emulated"
  int64_t batch;
  int64_t image_size;
  bool cudnn;             ///< whether convolutions run through cuDNN, too
  double copy_bandwidth;  ///< bytes that a copy reads and writes a second

  /// layer_cases() in this suite's sizes.
  std::vector<LayerCase> layers(std::string_view type) const;

  /// Values between -1 and 1, in no order that a kernel could profit from.
  Tensor random(const Shape& shape) const;
  Tensor filled(const Shape& shape, float value) const;
  Tensor zeros(const Shape& shape) const { return filled(shape, 0); }

  /// Registers `operation` on the shapes of `layer`. When its turn comes, `prepare` makes the
  /// tensors and returns the call, which is timed alone. A call that throws Error(unavailable) is
  /// reported as skipped. Outputs begin as zeros, so that no page is touched for the first time
  /// while the clock runs.
  using Call = std::function<void()>;
  void add(std::string_view operation, const LayerCase& layer, const Work& work,
           std::function<Call()> prepare, Kernels kernels = Kernels::own) const;
};

/// An activation behind BatchNorm and ReLU6, as most of MobileNetV2's are, with its gradient's
/// coefficients.
struct BenchActivation {
  Tensor raw, scale, shift, b, c;

  BenchActivation(const Suite& suite, const Shape& shape)
      : raw(suite.random(shape)),
        scale(suite.filled({shape[-1]}, 3.0f)),
        shift(suite.filled({shape[-1]}, 1.0f)),
        b(suite.filled({shape[-1]}, 1e-3f)),
        c(suite.filled({shape[-1]}, 1e-3f)) {}
  Pending batch_norm() const { return {scale.data(), shift.data()}; }
  Pending pending() const { return {scale.data(), shift.data(), 0.0f, 6.0f}; }
  PendingGradient gradient() const {
    return {raw.data(), pending(), scale.data(), b.data(), c.data()};
  }
};

/// What a copy of large buffers reads and writes a second, each byte counted twice.
double copy_bandwidth(Device device);

// Each registers the benchmarks of one operation.
void bench_adam(const Suite& suite);
void bench_add(const Suite& suite);
void bench_batch_norm(const Suite& suite);
void bench_conv2d(const Suite& suite);
void bench_fused(const Suite& suite);
void bench_dense(const Suite& suite);
void bench_dropout(const Suite& suite);
void bench_global_average_pool(const Suite& suite);
void bench_matmul(const Suite& suite);
void bench_max_pool2d(const Suite& suite);
void bench_pending(const Suite& suite);
void bench_softmax_cross_entropy(const Suite& suite);
void bench_warp(const Suite& suite);

}  // namespace ember
