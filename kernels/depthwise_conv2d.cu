// The ladder of a depthwise convolution, from kernels/naive/depthwise_conv2d.cu to this file. It
// multiplies 9 times an output and so is bound by memory: every rung saves bytes or waiting.
//   1. a thread an output: each input is read 9 times
//   2. four channels a thread: 16-byte accesses
//   3. a block goes down the rows of an image, each of which passes through shared memory once;
//      what is pending on the input is applied on the way
//   4. a thread keeps in registers the partial sums of the 3 (stride 2: 2) output rows that the
//      present input row belongs to, so an input row is looked at once and forgotten
//   5. the next row is on its way while one is worked on, which takes one barrier a row
//   6. the moments of the output are gathered in registers as it is written, and of a gradient
//      those sums that a BatchNorm before it wants
// The gradient of the input at stride 1 is the same convolution with the kernel turned round; at
// stride 2 a thread makes 2x2 pixels from 2x2 values of dy. Kernels other than 3x3 and other
// strides stop at rung 2, with what is pending and the moments. depthwise_conv2d_wgrad.cu has the
// gradient of the weights.
#include "kernels/depthwise_conv2d.h"

#include <algorithm>
#include <type_traits>

#include "kernels/cuda/depthwise.cuh"
#include "kernels/cuda/gradient_sums.cuh"

namespace ember::cuda {
namespace {

/// The planes of a convolution that slides: forward, or backward at stride 1.
struct Slide {
  int in_height, in_width;
  int out_height, out_width;
  int channels;
  int top, left;
  bool turned;  ///< the kernel is turned by 180 degrees
};

/// The weights of all taps in shared memory, (kFastTaps, kDepthwiseVectors), so that a block reads
/// them once.
template <class V>
__device__ void share_taps(const float* weight, int channels, V* shared) {
  for (unsigned i = thread_in_block(); i < kFastTaps * kDepthwiseVectors; i += threads_in_block()) {
    const unsigned vector = blockIdx.y * kDepthwiseVectors + i % kDepthwiseVectors;
    const auto channel = static_cast<int>(vector) * kLanes<V>;
    const int64_t tap = i / kDepthwiseVectors;
    shared[i] = channel < channels ? load_constant<V>(weight + tap * channels + channel)
                                   : broadcast<V>(0.0f);
  }
  __syncthreads();
}

/// The thread's weights of all taps. Leaves `shared` free.
template <class V>
__device__ void load_taps(const float* weight, int channels, bool turned, V* shared,
                          V (&weights)[kFastTaps]) {
  share_taps(weight, channels, shared);
#pragma unroll
  for (int tap = 0; tap < kFastTaps; ++tap) {
    weights[tap] = shared[(turned ? kFastTaps - 1 - tap : tap) * kDepthwiseVectors + threadIdx.x];
  }
  __syncthreads();
}

/// Where a thread's sums go when a block's are merged.
__device__ inline MomentsPlace depthwise_place() {
  return {depthwise_line(), blockDim.y * blockDim.z, threadIdx.x, kDepthwiseVectors};
}

/// What becomes of y: Epilogue on the device.
struct DepthwiseEpilogue {
  Pending pending;
  const float* residual = nullptr;
  MomentsOutput moments;
};

/// A thread's column of y: applies the epilogue, writes it and gathers the moments.
template <class V>
class OutputColumn {
 public:
  __device__ OutputColumn(float* y, int height, int width, int channels, const DepthwiseTile& tile,
                          const DepthwiseEpilogue& epilogue)
      : y_(y),
        at_(((int64_t{tile.image} * height + tile.row) * width + tile.column) * channels +
            tile.channel),
        stride_(width * channels),
        channel_(tile.channel),
        active_(tile.active && tile.column < width),
        epilogue_(epilogue) {}

  /// The next row down.
  __device__ void push(V value) {
    if (active_) {
      const Pending& pending = epilogue_.pending;
      if (!pending.identity()) value = ChannelPending<V>(pending, channel_)(value);
      if (epilogue_.residual != nullptr) value = add(value, load<V>(epilogue_.residual + at_));
      if (epilogue_.moments.mean != nullptr) add_lanes(sums_, value);
      store(y_ + at_, value);
    }
    at_ += stride_;
  }

  /// Merges the moments of all columns and tiles; `cells` is shared memory for kLanes<V> cells a
  /// thread.
  __device__ void finish(void* cells) const {
    const MomentsOutput& moments = epilogue_.moments;
    if (moments.mean == nullptr) return;
    finish_moments(sums_, depthwise_place(), static_cast<MomentSums*>(cells), moments, blockIdx.y,
                   blockIdx.x);
  }

 private:
  float* y_;
  int64_t at_;
  int stride_;
  int channel_;
  bool active_;
  const DepthwiseEpilogue& epilogue_;
  MomentSums sums_[kLanes<V>];
};

/// A thread's pixels of dx: writes them and gathers the sums of the BatchNorm before.
template <class V>
class GradientPixels {
 public:
  __device__ GradientPixels(float* dx, const DepthwiseTile& tile, const GradientSumsOutput& norm)
      : dx_(dx), norm_(norm), channels_(norm, tile.active ? tile.channel : 0) {}

  __device__ void write(int64_t at, V value) {
    if (norm_.raw != nullptr) channels_.add_to(sums_, value, load<V>(norm_.raw + at));
    store(dx_ + at, value);
  }
  /// Merges the sums of all threads and tiles; `cells` is shared memory for 2 V a thread.
  __device__ void finish(void* cells) const {
    if (norm_.raw == nullptr) return;
    finish_gradient_sums(sums_, depthwise_place(), static_cast<V*>(cells), norm_, blockIdx.y,
                         blockIdx.x);
  }

 private:
  float* dx_;
  const GradientSumsOutput& norm_;
  ChannelNorm<V> channels_;
  GradientSums<V> sums_;
};

/// A thread's column of dx, as OutputColumn is of y.
template <class V>
class GradientColumn {
 public:
  __device__ GradientColumn(float* dx, int height, int width, int channels,
                            const DepthwiseTile& tile, const GradientSumsOutput& norm)
      : pixels_(dx, tile, norm),
        at_(((int64_t{tile.image} * height + tile.row) * width + tile.column) * channels +
            tile.channel),
        stride_(width * channels),
        active_(tile.active && tile.column < width) {}

  __device__ void push(V value) {
    if (active_) pixels_.write(at_, value);
    at_ += stride_;
  }
  __device__ void finish(void* cells) const { pixels_.finish(cells); }

 private:
  GradientPixels<V> pixels_;
  int64_t at_;
  int stride_;
  bool active_;
};

/// What a kernel that reads from Source writes, and what it is told about that.
template <class V, class Source>
using ColumnOf =
    std::conditional_t<std::is_same_v<Source, GradientSource>, GradientColumn<V>, OutputColumn<V>>;
template <class Source>
using FinishOf = std::conditional_t<std::is_same_v<Source, GradientSource>, GradientSumsOutput,
                                    DepthwiseEpilogue>;

/// y = conv(x, weight) for 3x3 kernels, or dx from dy: `open[a]` sums up the output row that began
/// a steps ago.
template <class V, class Source, int kStride>
__global__ void __launch_bounds__(kDepthwiseThreads, 2)
    depthwise_slide_kernel(Source x, const float* weight, Slide s, DepthwiseTiles tiles, float* y,
                           FinishOf<Source> finish) {
  using Stage = RowStage<V, Source, kStride + 1>;
  using Rows = WindowRows<kStride, Stage>;
  constexpr int kOpen = Rows::kOpen;
  constexpr unsigned kRows = Stage::shared_vectors(kDepthwiseThreads) * sizeof(V);
  constexpr unsigned kCells = kDepthwiseThreads * kLanes<V> * sizeof(MomentSums);
  __shared__ __align__(16) unsigned char shared[kRows > kCells ? kRows : kCells];

  const auto tile = DepthwiseTile::of_block<V>(tiles, s.out_height, s.channels);
  Stage stage(x, s.in_height, s.in_width, s.channels, tile, tile.first_column * kStride - s.left,
              (static_cast<int>(blockDim.y) - 1) * kStride + kFastSize,
              reinterpret_cast<V*>(shared));
  ColumnOf<V, Source> output(y, s.out_height, s.out_width, s.channels, tile, finish);

  V weights[kFastTaps];
  load_taps(weight, s.channels, s.turned, reinterpret_cast<V*>(shared), weights);
  V open[kOpen];
  for (V& sum : open) sum = broadcast<V>(0.0f);

  Rows rows(stage, tile, s.top);
  for (int step = 0; step < rows.steps(); ++step) {
    rows.advance(step, [&](int a, int tap, V value) {
      open[a] = multiply_add(value, weights[tap], open[a]);
    });
    if (step >= kOpen - 1) output.push(open[kOpen - 1]);
#pragma unroll
    for (int a = kOpen - 1; a > 0; --a) open[a] = open[a - 1];
    open[0] = broadcast<V>(0.0f);
  }
  output.finish(shared);
}

/// dx at stride 2 for 3x3 kernels. Cell (u, v) is pixels (2u - top, 2v - left) and its neighbours
/// below and to the right, and gets its gradient from dy[u - 1 .. u, v - 1 .. v]: an even row meets
/// kernel rows 0 and 2, an odd one row 1; columns likewise. The tiles cover cells, from
/// (first_u, first_v) on. The weights stay in shared memory: in registers they would leave no room
/// for the sums.
template <class V>
__global__ void __launch_bounds__(kDepthwiseThreads, 2)
    depthwise_spread_kernel(GradientSource dy, const float* weight, Slide s, int first_u,
                            int first_v, int cell_rows, DepthwiseTiles tiles, float* dx,
                            GradientSumsOutput norm) {
  constexpr int kReach = 2;
  using Stage = RowStage<V, GradientSource, kReach>;
  constexpr unsigned kVectors =
      std::max(Stage::shared_vectors(kDepthwiseThreads), 2 * kDepthwiseThreads);
  __shared__ __align__(16) unsigned char shared[kVectors * sizeof(V)];

  const auto tile = DepthwiseTile::of_block<V>(tiles, cell_rows, s.channels);
  Stage stage(dy, s.in_height, s.in_width, s.channels, tile, first_v + tile.first_column - 1,
              static_cast<int>(blockDim.y) + 1, reinterpret_cast<V*>(shared));
  __shared__ __align__(16) unsigned char taps[kFastTaps * kDepthwiseVectors * sizeof(V)];
  share_taps(weight, s.channels, reinterpret_cast<V*>(taps));
  const auto tap = [&](int i) {
    return reinterpret_cast<const V*>(taps)[i * kDepthwiseVectors + static_cast<int>(threadIdx.x)];
  };
  GradientPixels<V> pixels(dx, tile, norm);
  const int column = 2 * (first_v + tile.column) - s.left;
  const int64_t image = int64_t{tile.image} * s.out_height * s.out_width * s.channels;
  const auto write = [&](int row, int side, V value) {
    const int w = column + side;
    if (!tile.active || row < 0 || row >= s.out_height || w < 0 || w >= s.out_width) return;
    pixels.write(image + (int64_t{row} * s.out_width + w) * s.channels + tile.channel, value);
  };

  V above_left = broadcast<V>(0.0f);
  V above = broadcast<V>(0.0f);
  const int first = first_u + tile.row - 1;  // the row of dy above the first cells
  stage.fetch(first);
  for (int i = 0; i <= tile.rows; ++i) {
    const V* values = stage.advance(i < tile.rows ? first + i + 1 : -1);
    V left = broadcast<V>(0.0f);
    V here = broadcast<V>(0.0f);
    if (values != nullptr) {
      left = values[threadIdx.y * kDepthwiseVectors + threadIdx.x];
      here = values[(threadIdx.y + 1) * kDepthwiseVectors + threadIdx.x];
    }
    if (i > 0) {
      const V none = broadcast<V>(0.0f);
      const int row = 2 * (first + i) - s.top;
      V even_row = multiply_add(above_left, tap(8), none);
      even_row = multiply_add(above, tap(6), even_row);
      even_row = multiply_add(left, tap(2), even_row);
      write(row, 0, multiply_add(here, tap(0), even_row));
      write(row, 1, multiply_add(here, tap(1), multiply_add(above, tap(7), none)));
      write(row + 1, 0, multiply_add(here, tap(3), multiply_add(left, tap(5), none)));
      write(row + 1, 1, multiply_add(here, tap(4), none));
    }
    above_left = left;
    above = here;
  }
  pixels.finish(shared);
}

/// y = conv(x, weight) for any kernel, stride and padding.
template <class V>
__global__ void __launch_bounds__(kDepthwiseThreads, 2)
    depthwise_gather_kernel(ActivationSource x, const float* weight, DepthwiseShape s,
                            DepthwiseTiles tiles, float* y, DepthwiseEpilogue epilogue) {
  __shared__ __align__(16) unsigned char shared[kDepthwiseThreads * kLanes<V> * sizeof(MomentSums)];
  const auto channels = static_cast<int>(s.channels);
  const auto tile = DepthwiseTile::of_block<V>(tiles, static_cast<int>(s.out_height), channels);
  const Reader<V, ActivationSource> reader(x, tile.channel);
  OutputColumn<V> output(y, static_cast<int>(s.out_height), static_cast<int>(s.out_width), channels,
                         tile, epilogue);
  for (int row = tile.row; row < tile.row + tile.rows; ++row) {
    V sum = broadcast<V>(0.0f);
    for (int64_t kh = 0; kh < s.kernel_h; ++kh) {
      const int64_t h = row * s.window.stride_h + kh - s.window.padding.top;
      for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
        const int64_t w = tile.column * s.window.stride_w + kw - s.window.padding.left;
        if (!tile.active || h < 0 || h >= s.height || w < 0 || w >= s.width) continue;
        const int64_t pixel = (tile.image * s.height + h) * s.width + w;
        const V value = reader(reader.fetch(pixel * s.channels + tile.channel));
        const float* tap = weight + (kh * s.kernel_w + kw) * s.channels + tile.channel;
        sum = multiply_add(value, load_constant<V>(tap), sum);
      }
    }
    output.push(sum);
  }
  output.finish(shared);
}

/// dx for any kernel, stride and padding: gathers dy[(h + top - kh) / stride_h, (w + left - kw) /
/// stride_w] where both divide.
template <class V>
__global__ void __launch_bounds__(kDepthwiseThreads, 2)
    depthwise_gather_gradient_kernel(GradientSource dy, const float* weight, DepthwiseShape s,
                                     DepthwiseTiles tiles, float* dx) {
  const auto channels = static_cast<int>(s.channels);
  const auto tile = DepthwiseTile::of_block<V>(tiles, static_cast<int>(s.height), channels);
  if (!tile.active || tile.column >= s.width) return;
  const Reader<V, GradientSource> reader(dy, tile.channel);
  for (int row = tile.row; row < tile.row + tile.rows; ++row) {
    V sum = broadcast<V>(0.0f);
    for (int64_t kh = s.kernel_h - 1; kh >= 0; --kh) {
      const int64_t reach_h = row + s.window.padding.top - kh;
      const int64_t oh = reach_h / s.window.stride_h;
      if (reach_h < 0 || reach_h % s.window.stride_h != 0 || oh >= s.out_height) continue;
      for (int64_t kw = s.kernel_w - 1; kw >= 0; --kw) {
        const int64_t reach_w = tile.column + s.window.padding.left - kw;
        const int64_t ow = reach_w / s.window.stride_w;
        if (reach_w < 0 || reach_w % s.window.stride_w != 0 || ow >= s.out_width) continue;
        const int64_t pixel = (tile.image * s.out_height + oh) * s.out_width + ow;
        const V value = reader(reader.fetch(pixel * s.channels + tile.channel));
        const float* tap = weight + (kh * s.kernel_w + kw) * s.channels + tile.channel;
        sum = multiply_add(value, load_constant<V>(tap), sum);
      }
    }
    const int64_t pixel = (tile.image * s.height + row) * s.width + tile.column;
    store(dx + pixel * s.channels + tile.channel, sum);
  }
}

Slide slide_of(const DepthwiseShape& s) {
  return {static_cast<int>(s.height),     static_cast<int>(s.width),
          static_cast<int>(s.out_height), static_cast<int>(s.out_width),
          static_cast<int>(s.channels),   s.window.padding.top,
          s.window.padding.left,          false};
}

/// From dy back to the image at stride 1.
Slide turned_slide_of(const DepthwiseShape& s) {
  return {static_cast<int>(s.out_height),
          static_cast<int>(s.out_width),
          static_cast<int>(s.height),
          static_cast<int>(s.width),
          static_cast<int>(s.channels),
          kFastSize - 1 - s.window.padding.top,
          kFastSize - 1 - s.window.padding.left,
          true};
}

template <class V>
void forward(const ActivationSource& x, const Tensor& weight, const DepthwiseShape& s, Tensor& y,
             const Epilogue& epilogue) {
  const DepthwiseTiles tiles(s.images, s.out_height, s.out_width, s.channels, kLanes<V>);
  const DepthwiseEpilogue output{
      epilogue.pending, epilogue.residual.data(),
      MomentsOutput(epilogue, tiles.groups, tiles.tiles, int64_t{kDepthwiseVectors} * kLanes<V>)};
  if (has_fast_kernel(s)) {
    launch(s.window.stride_h == 1 ? depthwise_slide_kernel<V, ActivationSource, 1>
                                  : depthwise_slide_kernel<V, ActivationSource, 2>,
           tiles.launch_config(), x, weight.data(), slide_of(s), tiles, y.data(), output);
  } else {
    launch(depthwise_gather_kernel<V>, tiles.launch_config(), x, weight.data(), s, tiles, y.data(),
           output);
  }
}

template <class V>
void dgrad(const GradientSource& dy, const Tensor& weight, const DepthwiseShape& s, Tensor& dx,
           BatchNormBackward* norm) {
  constexpr int64_t kGroupChannels = int64_t{kDepthwiseVectors} * kLanes<V>;
  if (has_fast_kernel(s) && s.window.stride_h == 2) {
    // Cells of which a pixel lies in the image.
    const int64_t top = s.window.padding.top;
    const int64_t left = s.window.padding.left;
    const int64_t cell_rows = (s.height - 1 + top) / 2 - top / 2 + 1;
    const int64_t cell_columns = (s.width - 1 + left) / 2 - left / 2 + 1;
    const DepthwiseTiles tiles(s.images, cell_rows, cell_columns, s.channels, kLanes<V>);
    Slide slide = slide_of(s);
    std::swap(slide.in_height, slide.out_height);
    std::swap(slide.in_width, slide.out_width);
    launch(depthwise_spread_kernel<V>, tiles.launch_config(), dy, weight.data(), slide, top / 2,
           left / 2, cell_rows, tiles, dx.data(),
           GradientSumsOutput(norm, tiles.groups, tiles.tiles, kGroupChannels));
    return;
  }
  const DepthwiseTiles tiles(s.images, s.height, s.width, s.channels, kLanes<V>);
  if (has_fast_kernel(s)) {
    launch(depthwise_slide_kernel<V, GradientSource, 1>, tiles.launch_config(), dy, weight.data(),
           turned_slide_of(s), tiles, dx.data(),
           GradientSumsOutput(norm, tiles.groups, tiles.tiles, kGroupChannels));
  } else {
    launch(depthwise_gather_gradient_kernel<V>, tiles.launch_config(), dy, weight.data(), s, tiles,
           dx.data());
    if (norm != nullptr) cuda::batch_norm_backward(dx, *norm);
  }
}

}  // namespace

void depthwise_conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                              const Window& window, Tensor& y, const Epilogue& epilogue) {
  const DepthwiseShape shape(x.shape(), weight.shape(), y.shape(), window);
  const ActivationSource source{x.data(), pending};
  const bool vector =
      fits_float4(shape.channels, {weight.data(), y.data(), epilogue.residual.data()}) &&
      fits_float4(source) && fits_float4(epilogue.pending);
  (vector ? forward<float4> : forward<float>)(source, weight, shape, y, epilogue);
}

void depthwise_conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                            const Window& window, Tensor& dx, BatchNormBackward* norm) {
  const DepthwiseShape shape(dx.shape(), weight.shape(), dz.shape(), window);
  const GradientSource source(dz.data(), pending);
  const bool vector = fits_float4(shape.channels, {weight.data(), dx.data()}) &&
                      fits_float4(source) && fits_float4(norm);
  (vector ? dgrad<float4> : dgrad<float>)(source, weight, shape, dx, norm);
}

void depthwise_conv2d_backward(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                               const PendingGradient& dz_pending, const Tensor& weight,
                               const Window& window, Tensor& dweight, Tensor& dx,
                               BatchNormBackward* norm) {
  ember::depthwise_conv2d_wgrad(x, x_pending, dz, dz_pending, window, dweight);
  ember::depthwise_conv2d_dgrad(dz, dz_pending, weight, window, dx, norm);
}

}  // namespace ember::cuda
