#include "kernels/cudnn/conv2d.h"

#include <cstdio>
#include <set>
#include <string>

#include "kernels/conv2d.h"
#include "kernels/conv_backend.h"
#include "kernels/cudnn/executor.h"
#include "kernels/settled.h"
#include "tensor/dispatch.h"
#include "tensor/error.h"
#include "tensor/scratch.h"

namespace ember::cudnn {
namespace {

Executor& executor() {
  // Never destroyed: as the program ends, parts of cuDNN may be gone before it.
  static auto* const executor = new Executor;
  return *executor;
}

/// What cuDNN has no plan for, or has failed at; it is not asked again.
std::set<Convolution>& refused() {
  static std::set<Convolution> convolutions;
  return convolutions;
}

/// Says once why a convolution runs on Ember's own kernel.
void note(const Convolution& convolution, const std::string& reason) {
  static std::set<Convolution> noted;
  if (!noted.insert(convolution).second) return;
  fmt::print(stderr, "note: Ember's own kernel computes {}: {}\n", to_string(convolution), reason);
}

/// Runs the convolution on the operands that `prepare` returns, if there is a plan.
template <typename Prepare>
bool run(const Convolution& convolution, const Prepare& prepare) {
  if (refused().contains(convolution)) return false;
  try {
    const Planned& planned = executor().planner().find(convolution);
    if (planned.plan) {
      const Operands operands = prepare();
      if (Executor::takes(operands)) {
        executor().run(*planned.plan, operands);
        return true;
      }
      note(convolution, "cuDNN wants tensors that begin at a multiple of 16 bytes");
      return false;  // other tensors may
    }
    note(convolution, planned.refusal);
  } catch (const Error& error) {
    if (error.code() != ExitCode::unavailable) throw;  // of Ember, not of cuDNN
    note(convolution, error.what());
  }
  refused().insert(convolution);
  return false;
}

bool chosen(const Tensor& x) {
  return conv_backend() == ConvBackend::cudnn && x.device() == Device::cuda;
}

}  // namespace

bool conv2d_forward(const Tensor& x, const Pending& pending, const Tensor& weight,
                    const Tensor& bias, const Window& window, Tensor& y, const Epilogue& epilogue) {
  if (!chosen(x)) return false;
  EMBER_REQUIRE_DEVICE(Device::cuda, conv2d_forward, weight, bias, y);
  Convolution convolution = convolution_of(Direction::forward, x.shape(), weight.shape(), window);
  convolution.bias = !bias.empty();
  const bool done = run(convolution, [&]() -> Operands {
    return {settled(x, pending, Scratch::input_block).data(), weight.data(), y.data(), bias.data()};
  });
  if (done) apply_epilogue(epilogue, y);
  return done;
}

bool conv2d_dgrad(const Tensor& dz, const PendingGradient& pending, const Tensor& weight,
                  const Window& window, bool accumulate, Tensor& dx) {
  if (!chosen(dz)) return false;
  EMBER_REQUIRE_DEVICE(Device::cuda, conv2d_dgrad, weight, dx);
  Convolution convolution = convolution_of(Direction::dgrad, dx.shape(), weight.shape(), window);
  convolution.accumulate = accumulate;
  return run(convolution, [&]() -> Operands {
    return {dx.data(), weight.data(), settled(dz, pending, Scratch::gradient_block).data()};
  });
}

bool conv2d_wgrad(const Tensor& x, const Pending& x_pending, const Tensor& dz,
                  const PendingGradient& dz_pending, const Window& window, Tensor& dweight,
                  Tensor& dbias) {
  if (!chosen(x)) return false;
  EMBER_REQUIRE_DEVICE(Device::cuda, conv2d_wgrad, dz, dweight, dbias);
  const Convolution convolution =
      convolution_of(Direction::wgrad, x.shape(), dweight.shape(), window);
  const bool done = run(convolution, [&]() -> Operands {
    return {settled(x, x_pending, Scratch::input_block).data(), dweight.data(),
            settled(dz, dz_pending, Scratch::gradient_block).data()};
  });
  if (done && !dbias.empty()) {
    // dbias sums dz over its pixels, which Ember's wgrad does beside the product; of a product with
    // one value a pixel, whichever, nothing but dbias is of use.
    const int64_t outputs = dz.dim(-1);
    const Tensor pixels = dz.reshape({dz.size() / outputs, 1, 1, outputs});
    const Tensor values =
        dz.reshape({dz.size()}).rows(0, pixels.dim(0)).reshape({pixels.dim(0), 1, 1, 1});
    Tensor unused = scratch_tensor(Scratch::output_block, {outputs, 1, 1, 1}, Device::cuda);
    cuda::conv2d_wgrad(values, {}, pixels, dz_pending, {}, unused, dbias);
  }
  return done;
}

}  // namespace ember::cudnn
