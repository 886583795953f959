#include "kernels/conv2d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d_backward.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/partial_sums.h"
#include "kernels/settled.h"
#include "kernels/simd/convolution-inl.h"
#include "kernels/simd/convolution.h"
#include "kernels/simd/gemm-inl.h"
#include "kernels/simd/gradient_sums-inl.h"
#include "kernels/simd/gradient_sums.h"
#include "kernels/simd/pending-inl.h"
#include "kernels/simd/winograd-inl.h"
#include "tensor/parallel.h"
#include "tensor/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace ember::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// sums[j] = (first ? 0 : sums[j]) + the sum of column j.
void add_columns(const float* from, int64_t rows, int64_t columns, bool first, float* sums) {
  const hn::ScalableTag<float> d;
  for_each_vector(d, columns, [&](int64_t c, size_t count) {
    auto sum = hn::Zero(d);
    for (int64_t row = 0; row < rows; ++row) {
      sum = hn::Add(sum, load_n(d, from + row * columns + c, count));
    }
    if (!first) sum = hn::Add(sum, load_n(d, sums + c, count));
    store_n(sum, d, sums + c, count);
  });
}

/// to (columns, rows) = from (rows, columns) transposed.
void transpose(const float* from, int64_t rows, int64_t columns, float* to) {
  parallel_for(columns, [=](int64_t j) {
    for (int64_t i = 0; i < rows; ++i) to[j * rows + i] = from[i * columns + j];
  });
}

/// The share of `columns` that whole vectors would waste, in vectors of one column.
double wasted(int64_t columns) {
  return static_cast<double>(padded_columns(columns)) / static_cast<double>(columns);
}

/// How the weight gradient is cut: tasks are parts of the pixels, with partial sums of their own,
/// times parts of dweight. Depends on the shape alone.
struct WgradTasks {
  static constexpr int64_t kTasks = 16;
  static constexpr int64_t kPartialFloats = int64_t{1} << 20;
  int64_t rows;  ///< of all output images
  int64_t rows_per_block;
  int64_t pixel_tasks;
  int64_t weight_tasks;

  /// `weights` sums are of each task's pixels; blocks have an even number of rows where `paired`.
  WgradTasks(const Convolution& conv, int64_t weights, int64_t tile_rows, bool paired)
      : rows(conv.images * conv.out_h) {
    constexpr int64_t kBlockFloats = int64_t{1} << 15;
    const int64_t pixels_per_block =
        std::clamp<int64_t>(kBlockFloats / (conv.channels + conv.outputs), 64, 512);
    rows_per_block = std::max<int64_t>(pixels_per_block / conv.out_w, 1);
    if (paired) rows_per_block += rows_per_block % 2;
    pixel_tasks =
        std::clamp<int64_t>(std::min(rows / rows_per_block, kPartialFloats / weights), 1, kTasks);
    weight_tasks =
        std::clamp<int64_t>(kTasks / pixel_tasks, 1, std::max<int64_t>(tile_rows / 28, 1));
  }

  /// Whether each task can have sums of all `weights`.
  static bool fits(int64_t weights) { return weights * kTasks <= kPartialFloats; }
};

/// Where the gradient of x goes when it shares the weight gradient's way over the pixels.
struct SharedDgrad {
  const float* weight = nullptr;
  bool accumulate = false;
  float* dx = nullptr;
  BatchNormBackward* norm = nullptr;
};

/// The matrix product (O, pixels) * (pixels, KW * I) for each kernel row, summed over blocks of
/// output rows. Where KW * I fills vectors worse than O does, dweight's transpose is computed
/// instead. By Winograd's tiles, where they pay, it is a product for each of their positions.
class Wgrad {
 public:
  explicit Wgrad(const Convolution& conv)
      : conv_(conv),
        winograd_(winograd_pays(conv) && WgradTasks::fits(winograd_sums(conv))),
        transposed_(!winograd_ && (wasted(conv.kernel_row()) > wasted(conv.outputs) ||
                                   (wasted(conv.kernel_row()) == wasted(conv.outputs) &&
                                    conv.kernel_row() < conv.outputs))),
        weights_(winograd_ ? winograd_sums(conv) : conv.outputs * conv.kernel_size()),
        tile_rows_(transposed_ ? conv.kernel_row() : conv.outputs),
        tasks_(conv, weights_, winograd_ ? 1 : tile_rows_, winograd_) {}

  /// Whether dx can be computed along: every task sees whole gradients of pixels of its own, and
  /// there are enough of them.
  bool takes_dgrad() const { return conv_.pointwise() && tasks_.pixel_tasks == WgradTasks::kTasks; }

  void run(const float* x, const Pending& x_pending, const float* dz,
           const PendingGradient& dz_pending, float* dweight, float* dbias,
           const SharedDgrad& shared) const;

 private:
  static int64_t winograd_sums(const Convolution& conv) {
    return kWinogradPositions * conv.outputs * conv.channels;
  }
  void multiply_block(const ImageRows& in, const ImageRows& dy, int64_t rows, Run part, bool first,
                      float* sums) const;

  void multiply_tiles(const ImageRows& in, const ImageRows& dy, int64_t rows, bool first,
                      float* sums) const;

  Convolution conv_;
  bool winograd_;
  bool transposed_;
  int64_t weights_;    ///< sums of a task: dweight, its transpose, or the positions of the tiles
  int64_t tile_rows_;  ///< rows of the product that weight tasks share
  WgradTasks tasks_;
};

/// Adds `rows` output rows to rows [part.begin, part.end) of a task's sums.
void Wgrad::multiply_block(const ImageRows& in, const ImageRows& dy, int64_t rows, Run part,
                           bool first, float* sums) const {
  const int64_t outputs = conv_.outputs;
  const int64_t depth = conv_.kernel_size();
  const int64_t kernel_row = conv_.kernel_row();
  const int64_t x_step = conv_.window.stride_w * conv_.channels;
  const int64_t x_segment = conv_.window.stride_h * in.row;
  const int64_t dy_segment = conv_.out_w * outputs;
  const bool adjacent = x_segment == conv_.out_w * x_step;
  const Depth pixels = adjacent ? Depth{1, rows * conv_.out_w} : Depth{rows, conv_.out_w};
  for (int64_t kh = 0; kh < conv_.kernel_h; ++kh) {
    const float* x_row = in.data + kh * in.row;
    if (transposed_) {
      multiply({x_row + part.begin, 1, x_step, x_segment}, {dy.data, false, outputs, dy_segment},
               part.end - part.begin, outputs, pixels,
               {sums + (kh * kernel_row + part.begin) * outputs, outputs, nullptr, !first});
    } else {
      multiply({dy.data + part.begin, 1, outputs, dy_segment}, {x_row, false, x_step, x_segment},
               part.end - part.begin, kernel_row, pixels,
               {sums + part.begin * depth + kh * kernel_row, depth, nullptr, !first});
    }
  }
}

/// The same for all sums of Winograd's positions.
void Wgrad::multiply_tiles(const ImageRows& in, const ImageRows& dy, int64_t rows, bool first,
                           float* sums) const {
  const int64_t channels = conv_.channels;
  const int64_t outputs = conv_.outputs;
  const int64_t columns = winograd_tiles(conv_.out_w);
  const int64_t tiles = winograd_tiles(rows) * columns;
  // The product reads up to a vector beyond the last channel.
  const WinogradTiles v{
      scratch(Scratch::winograd_inputs, kWinogradPositions * tiles * channels + padded_columns(1)),
      tiles * channels};
  const WinogradTiles m{scratch(Scratch::winograd_outputs, kWinogradPositions * tiles * outputs),
                        tiles * outputs};
  for (int64_t row = 0; row < rows; row += kWinogradTile) {
    const int64_t first_tile = row / kWinogradTile * columns;
    const int64_t left = rows - row;
    winograd_inputs({in.data + row * in.row, in.row}, left > 1 ? 4 : 3, conv_.seen_columns(),
                    channels, columns, {v.data + first_tile * channels, v.position});
    winograd_gradients(dy.data + row * conv_.out_w * outputs, std::min(left, kWinogradTile),
                       conv_.out_w, outputs, {m.data + first_tile * outputs, m.position});
  }
  for (int64_t i = 0; i < kWinogradPositions; ++i) {
    multiply({m.data + i * m.position, 1, outputs}, {v.data + i * v.position, false, channels},
             outputs, channels, {1, tiles},
             {sums + i * outputs * channels, channels, nullptr, !first});
  }
}

void Wgrad::run(const float* x, const Pending& x_pending, const float* dz,
                const PendingGradient& dz_pending, float* dweight, float* dbias,
                const SharedDgrad& shared) const {
  const int64_t outputs = conv_.outputs;
  const int64_t channels = conv_.channels;
  const int64_t depth = conv_.kernel_size();
  const bool x_slack =
      !transposed_ && !winograd_ && conv_.kernel_row() != padded_columns(conv_.kernel_row());
  const bool dy_slack = transposed_ && outputs != padded_columns(outputs);

  float* packed = nullptr;
  if (shared.dx != nullptr) {
    packed = scratch(Scratch::packed_weights, packed_floats(outputs, channels));
    pack({shared.weight, channels, 1}, 0, outputs, outputs, channels, packed);
  }
  // A task's record: sums of dweight, of dbias, and those of the BatchNorm before.
  const GradientSums norm_sums(shared.norm);
  const int64_t record = weights_ + outputs + norm_sums.floats();
  float* partials = scratch(Scratch::partial_sums, tasks_.pixel_tasks * record);
  parallel_for(tasks_.pixel_tasks * tasks_.weight_tasks, [&](int64_t task) {
    const int64_t pixel_task = task / tasks_.weight_tasks;
    const int64_t weight_task = task % tasks_.weight_tasks;
    const Run part = part_of(tile_rows_, tasks_.weight_tasks, weight_task);
    const Run run = part_of(tasks_.rows, tasks_.pixel_tasks, pixel_task);
    float* sums = partials + pixel_task * record;
    for (int64_t begin = run.begin; begin < run.end;) {
      const int64_t image = begin / conv_.out_h;
      const int64_t count =
          std::min(std::min(run.end, (image + 1) * conv_.out_h) - begin, tasks_.rows_per_block);
      const bool first = begin == run.begin;
      const int64_t top = (begin - image * conv_.out_h) * conv_.window.stride_h;
      const int64_t pixel = begin * conv_.out_w;
      const int64_t pixels = count * conv_.out_w;
      const ImageRows in =
          input_rows(x, x_pending, conv_, image, top, conv_.seen_rows(count), x_slack);
      const ImageRows dy = output_gradient_rows(dz, dz_pending, conv_, begin, count, dy_slack);
      if (winograd_) {
        multiply_tiles(in, dy, count, first, sums);
      } else {
        multiply_block(in, dy, count, part, first, sums);
      }
      if (dbias != nullptr && weight_task == 0) {
        add_columns(dy.data, pixels, outputs, first, sums + weights_);
      }
      if (shared.dx != nullptr) {
        multiply({dy.data, outputs, 1}, {packed}, pixels, channels, {1, outputs},
                 {shared.dx + pixel * channels, channels, nullptr, shared.accumulate});
      }
      if (shared.norm != nullptr) {
        accumulate_gradient_sums(norm_sums, shared.dx, pixel, pixels, first,
                                 sums + weights_ + outputs);
      }
      begin += count;
    }
  });
  if (dbias != nullptr) merge_sums(partials + weights_, tasks_.pixel_tasks, record, outputs, dbias);
  if (shared.norm != nullptr) {
    finish_batch_norm_backward(partials + weights_ + outputs, tasks_.pixel_tasks, record,
                               *shared.norm);
  }
  float* merged = transposed_ || winograd_ ? partials : dweight;
  merge_sums(partials, tasks_.pixel_tasks, record, weights_, merged);
  if (transposed_) transpose(merged, depth, outputs, dweight);
  if (winograd_) winograd_kernel_gradients(merged, outputs, channels, dweight);
}

void Conv2dWgrad(const float* x, const Pending& x_pending, const float* dz,
                 const PendingGradient& dz_pending, const Convolution& conv, float* dweight,
                 float* dbias) {
  Wgrad(conv).run(x, x_pending, dz, dz_pending, dweight, dbias, {});
}

/// False, with nothing done, where the two are better computed one after the other.
bool Conv2dBackward(const float* x, const Pending& x_pending, const float* dz,
                    const PendingGradient& dz_pending, const Convolution& conv, float* dweight,
                    float* dbias, const float* weight, bool accumulate, float* dx,
                    BatchNormBackward* norm) {
  const Wgrad wgrad(conv);
  if (!wgrad.takes_dgrad()) return false;
  wgrad.run(x, x_pending, dz, dz_pending, dweight, dbias, {weight, accumulate, dx, norm});
  return true;
}

}  // namespace ember::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember::cpu {

HWY_EXPORT(Conv2dWgrad);
HWY_EXPORT(Conv2dBackward);

void conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                  const PendingGradient& dz_pending, const Window& window, Tensor& dweight,
                  Tensor& dbias) {
  HWY_DYNAMIC_DISPATCH(Conv2dWgrad)
  (x.data(), x_pending, dz.data(), dz_pending, convolution_of(x.shape(), dweight.shape(), window),
   dweight.data(), dbias.data());
}

void conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                     const PendingGradient& dz_pending, const Tensor& weight, const Window& window,
                     Tensor& dweight, Tensor& dbias, bool accumulate, Tensor& dx,
                     BatchNormBackward* norm) {
  const Convolution conv = convolution_of(x.shape(), weight.shape(), window);
  if (HWY_DYNAMIC_DISPATCH(Conv2dBackward)(x.data(), x_pending, dz.data(), dz_pending, conv,
                                           dweight.data(), dbias.data(), weight.data(), accumulate,
                                           dx.data(), norm)) {
    return;
  }
  if (!conv.pointwise()) {
    cpu::conv2d_wgrad(x, x_pending, dz, dz_pending, window, dweight, dbias);
    cpu::conv2d_dgrad(dz, dz_pending, weight, window, accumulate, dx, norm);
    return;
  }
  // Few pixels and large weights: tasks share pixels, so what is pending is applied beforehand.
  const Tensor z = settled(x, x_pending, Scratch::output_block);
  const Tensor dy = settled(dz, dz_pending, Scratch::workspace);
  cpu::conv2d_wgrad(z, {}, dy, {}, window, dweight, dbias);
  cpu::conv2d_dgrad(dy, {}, weight, window, accumulate, dx, norm);
}

}  // namespace ember::cpu
#endif  // HWY_ONCE
