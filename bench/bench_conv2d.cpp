#include "bench/suite.h"
#include "kernels/conv2d.h"
#include "kernels/conv_backend.h"
#include "kernels/cudnn/conv2d.h"
#include "kernels/depthwise_conv2d.h"
#include "kernels/naive/naive.h"

/// Convolutions, plain and depthwise. A case stands for the layer as a training step of MobileNetV2
/// calls it: x and dz have BatchNorm and ReLU6 pending, the moments of y are gathered. cuDNN's
/// kernels do neither, and Ember's passes around them are part of its time. `/bare` cases have
/// nothing pending and want no moments: they hold the convolutions themselves against each other.
namespace ember {
namespace {

/// Runs cuDNN's convolution, if it has one.
template <typename Convolution>
void through_cudnn(const Convolution& convolution) {
  set_conv_backend(ConvBackend::cudnn);
  const bool done = convolution();
  set_conv_backend(ConvBackend::own);
  if (!done) fail(ExitCode::unavailable, "cuDNN does not compute it");
}

struct Variant {
  LayerCase layer;
  Kernels kernels;
  bool bare;

  bool depthwise() const { return layer.weight.rank() == 3; }
  std::string operation(std::string_view direction) const {
    return fmt::format("{}_{}", depthwise() ? "depthwise_conv2d" : "conv2d", direction);
  }
  Work work() const {
    return {.floats = layer.x.size() + layer.weight.size() + layer.y.size(),
            .products = layer.y.size() * (layer.weight.size() / layer.y[-1])};
  }
  /// A gradient that is pending reads the raw output, too.
  Work gradient_work() const {
    Work gradient = work();
    if (!bare) gradient.floats += layer.y.size();
    return gradient;
  }
  Pending pending(const BenchActivation& x) const { return bare ? Pending() : x.pending(); }
  PendingGradient gradient(const BenchActivation& y) const {
    return bare ? PendingGradient() : y.gradient();
  }
};

void bench_forward(const Suite& suite, const Variant& variant) {
  const auto prepare = [=]() -> Suite::Call {
    const Window window = variant.layer.window;
    const BenchActivation x(suite, variant.layer.x);
    const Tensor weight = suite.random(variant.layer.weight);
    const Shape channels{variant.layer.y[-1]};
    const Tensor bias = variant.layer.bias ? suite.random(channels) : Tensor();
    return [=, y = suite.zeros(variant.layer.y),
            moments = Moments{suite.zeros(channels), suite.zeros(channels)}]() mutable {
      const Pending pending = variant.pending(x);
      const Epilogue wanted{.moments = variant.bare ? nullptr : &moments};
      if (variant.kernels == Kernels::cudnn) {
        through_cudnn(
            [&] { return cudnn::conv2d_forward(x.raw, pending, weight, bias, window, y, wanted); });
      } else if (variant.kernels == Kernels::naive && variant.depthwise()) {
        cuda::naive::depthwise_conv2d_forward(x.raw, weight, window, y);
      } else if (variant.kernels == Kernels::naive) {
        cuda::naive::conv2d_forward(x.raw, weight, bias, window, y);
      } else if (variant.depthwise()) {
        depthwise_conv2d_forward(x.raw, pending, weight, window, y, wanted);
      } else {
        conv2d_forward(x.raw, pending, weight, bias, window, y, wanted);
      }
    };
  };
  suite.add(variant.operation("forward"), variant.layer, variant.work(), prepare, variant.kernels);
}

void bench_dgrad(const Suite& suite, const Variant& variant) {
  const auto prepare = [=]() -> Suite::Call {
    const Window window = variant.layer.window;
    const BenchActivation y(suite, variant.layer.y);
    const Tensor dz = suite.random(variant.layer.y);
    const Tensor weight = suite.random(variant.layer.weight);
    return [=, dx = suite.zeros(variant.layer.x)]() mutable {
      const PendingGradient pending = variant.gradient(y);
      if (variant.kernels == Kernels::cudnn) {
        through_cudnn([&] {
          return cudnn::conv2d_dgrad(dz, pending, weight, window, /*accumulate=*/false, dx);
        });
      } else if (variant.depthwise()) {
        depthwise_conv2d_dgrad(dz, pending, weight, window, dx, nullptr);
      } else {
        conv2d_dgrad(dz, pending, weight, window, /*accumulate=*/false, dx, nullptr);
      }
    };
  };
  suite.add(variant.operation("dgrad"), variant.layer, variant.gradient_work(), prepare,
            variant.kernels);
}

void bench_wgrad(const Suite& suite, const Variant& variant) {
  const auto prepare = [=]() -> Suite::Call {
    const Window window = variant.layer.window;
    const BenchActivation x(suite, variant.layer.x);
    const BenchActivation y(suite, variant.layer.y);
    const Tensor dz = suite.random(variant.layer.y);
    const Tensor bias = variant.layer.bias ? suite.zeros({variant.layer.y[-1]}) : Tensor();
    return [=, dweight = suite.zeros(variant.layer.weight), dbias = bias]() mutable {
      const Pending pending = variant.pending(x);
      const PendingGradient gradient = variant.gradient(y);
      if (variant.kernels == Kernels::cudnn) {
        through_cudnn([&] {
          return cudnn::conv2d_wgrad(x.raw, pending, dz, gradient, window, dweight, dbias);
        });
      } else if (variant.depthwise()) {
        depthwise_conv2d_wgrad(x.raw, pending, dz, gradient, window, dweight);
      } else {
        conv2d_wgrad(x.raw, pending, dz, gradient, window, dweight, dbias);
      }
    };
  };
  suite.add(variant.operation("wgrad"), variant.layer, variant.gradient_work(), prepare,
            variant.kernels);
}

/// Both gradients, which may share their way over the pixels, and what the BatchNorm before makes
/// of the input's.
void bench_backward(const Suite& suite, const Variant& variant) {
  const auto prepare = [=]() -> Suite::Call {
    const Window window = variant.layer.window;
    const Shape channels{variant.layer.x[-1]};
    const BenchActivation x(suite, variant.layer.x);
    const BenchActivation y(suite, variant.layer.y);
    const Tensor dz = suite.random(variant.layer.y);
    const Tensor weight = suite.random(variant.layer.weight);
    const Tensor bias = variant.layer.bias ? suite.zeros({variant.layer.y[-1]}) : Tensor();
    BatchNormBackward wanted{.raw = x.raw,
                             .forward = x.pending(),
                             .gamma = suite.filled(channels, 1),
                             .moments = {suite.zeros(channels), suite.filled(channels, 1)},
                             .epsilon = 1e-3f,
                             .dgamma = suite.zeros(channels),
                             .dbeta = suite.zeros(channels)};
    return [=, dweight = suite.zeros(variant.layer.weight), dbias = bias,
            dx = suite.zeros(variant.layer.x)]() mutable {
      BatchNormBackward* norm = variant.bare ? nullptr : &wanted;
      const Pending pending = variant.pending(x);
      const PendingGradient gradient = variant.gradient(y);
      if (variant.depthwise()) {
        depthwise_conv2d_backward(x.raw, pending, dz, gradient, weight, window, dweight, dx, norm);
      } else {
        conv2d_backward(x.raw, pending, dz, gradient, weight, window, dweight, dbias,
                        /*accumulate=*/false, dx, norm);
      }
    };
  };
  Work work = variant.gradient_work();
  work.floats += variant.layer.x.size() + variant.layer.weight.size();
  work.products *= 2;
  suite.add(variant.operation("backward"), variant.layer, work, prepare);
}

}  // namespace

void bench_conv2d(const Suite& suite) {
  std::vector<Kernels> all{Kernels::own};
  if (suite.cudnn) all.push_back(Kernels::cudnn);
  for (const char* type : {"Conv2D", "DepthwiseConv2D"}) {
    for (LayerCase layer : suite.layers(type)) {
      for (const bool bare : {false, true}) {
        if (bare) layer.name += "/bare";
        for (const Kernels kernels : all) bench_forward(suite, {layer, kernels, bare});
        if (bare && suite.device == Device::cuda) {
          bench_forward(suite, {layer, Kernels::naive, bare});
        }
        for (const Kernels kernels : all) bench_dgrad(suite, {layer, kernels, bare});
        for (const Kernels kernels : all) bench_wgrad(suite, {layer, kernels, bare});
        bench_backward(suite, {layer, Kernels::own, bare});
      }
    }
  }
}

}  // namespace ember
