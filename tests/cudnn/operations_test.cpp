// The convolution tests of tests/kernels, through a stand-in for cuDNN on the emulated card, and
// what happens when cuDNN refuses.
#define DOCTEST_CONFIG_IMPLEMENT
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <string>

#include "kernels/conv2d.h"
#include "kernels/conv_backend.h"
#include "kernels/cudnn/api.h"
#include "kernels/depthwise_conv2d.h"
#include "tests/cudnn/stand_in.h"
#include "tests/errors.h"
#include "tests/kernels/testing.h"

namespace ember {
namespace {

CudnnStandIn* stand_in = nullptr;

void send_convolutions_to_the_stand_in() {
  setenv("EMBER_CUDNN", EMBER_CUDNN_STAND_IN, /*overwrite=*/1);
  set_conv_backend(ConvBackend::cudnn);
  void* library = dlopen(EMBER_CUDNN_STAND_IN, RTLD_NOW);
  stand_in = static_cast<CudnnStandIn*>(dlsym(library, "cudnn_stand_in"));
  stand_in->write = [](void* to, const void* from, size_t bytes) {
    copy_bytes(to, Device::cuda, from, Device::cpu, bytes);
  };
}

/// y of a convolution of ones: what stands in each element is the number of products.
double corner_of_ones(const Shape& x, int64_t outputs) {
  test_device = Device::cuda;
  const Tensor weight = filled({outputs, 3, 3, x[3]}, 1);
  Tensor y = poisoned(conv2d_output_shape(x, weight.shape(), {}));
  conv2d_forward(filled(x, 1), {}, weight, Tensor(), {}, y, {});
  const double corner = to_double(y).at(0);
  test_device = Device::cpu;
  return corner;
}

}  // namespace

TEST_CASE("each convolution is one plan that runs") {
  test_device = Device::cuda;
  const Tensor x = filled({2, 5, 4, 8}, 1);
  const Tensor plain = filled({4, 3, 3, 8}, 1);
  const Tensor depthwise = filled({3, 3, 8}, 1);
  Tensor y = poisoned({2, 3, 2, 4});
  Tensor depthwise_y = poisoned({2, 3, 2, 8});
  Tensor dx = poisoned(x.shape());
  Tensor dplain = poisoned(plain.shape());
  Tensor ddepthwise = poisoned(depthwise.shape());
  Tensor dbias = poisoned({4});
  const int64_t before = stand_in->executed;
  conv2d_forward(x, {}, plain, Tensor(), {}, y, {});
  conv2d_dgrad(y, {}, plain, {}, false, dx, nullptr);
  conv2d_wgrad(x, {}, y, {}, {}, dplain, dbias);
  depthwise_conv2d_forward(x, {}, depthwise, {}, depthwise_y, {});
  depthwise_conv2d_dgrad(depthwise_y, {}, depthwise, {}, dx, nullptr);
  depthwise_conv2d_wgrad(x, {}, depthwise_y, {}, {}, ddepthwise);
  CHECK(stand_in->executed == before + 6);
  test_device = Device::cpu;
}

namespace {

/// Two convolutions of one shape while the stand-in fails in one way.
struct Fallback {
  std::array<double, 2> corners{};
  std::string errors;

  Fallback(bool CudnnStandIn::*failure, int64_t channels) {
    stand_in->*failure = true;
    errors = errors_of([&] {
      for (double& corner : corners) corner = corner_of_ones({1, 7, 7, channels}, 12);
    });
    stand_in->*failure = false;
  }

  bool say_once(const std::string& reason) const {
    const std::string beginning = "note: Ember's own kernel computes forward of 3x3";
    return errors.starts_with(beginning) && errors.find(beginning, 1) == std::string::npos &&
           errors.find(reason) != std::string::npos;
  }
};

}  // namespace

TEST_CASE("where cuDNN has no plan or fails, Ember's kernel computes and says so once") {
  const Fallback unplanned(&CudnnStandIn::refuse_plans, 4);
  CHECK(unplanned.corners == std::array{36.0, 36.0});
  CHECK(unplanned.say_once("cuDNN: no engine supports it"));
  const Fallback failed(&CudnnStandIn::refuse_execution, 8);
  CHECK(failed.corners == std::array{72.0, 72.0});
  CHECK(failed.say_once("cuDNN: execute: CUDNN_STATUS_EXECUTION_FAILED"));
}

TEST_CASE("Ember's own kernels are used again when they are chosen") {
  const int64_t before = stand_in->executed;
  set_conv_backend(ConvBackend::own);
  CHECK(corner_of_ones({1, 3, 3, 2}, 1) == 18);
  CHECK(stand_in->executed == before);
  set_conv_backend(ConvBackend::cudnn);
  CHECK(corner_of_ones({1, 3, 3, 2}, 1) == 18);
  CHECK(stand_in->executed == before + 1);
}

TEST_CASE("a library of another major version, or too old a one, is refused") {
  const std::array<std::string, 1> file{EMBER_CUDNN_STAND_IN};
  stand_in->version = 100203;
  CHECK_THROWS_WITH_AS(cudnn::load_library(file),
                       doctest::Contains("is version 10.2.3, this build needs 9.x from 9.8 on"),
                       Error);
  stand_in->version = 90701;
  CHECK_THROWS_WITH_AS(cudnn::load_library(file), doctest::Contains("is version 9.7.1"), Error);
  stand_in->version = 90800;
}

}  // namespace ember

int main(int argc, char** argv) {
  ember::send_convolutions_to_the_stand_in();
  return doctest::Context(argc, argv).run();
}
