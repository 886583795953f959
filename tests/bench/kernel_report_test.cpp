#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "bench/kernel_report/compiled_kernels.h"
#include "bench/kernel_report/occupancy.h"
#include "bench/layer_floor.h"
#include "kernels/emulator/emulator.h"
#include "nn/add.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/mobilenet_v2.h"
#include "nn/relu.h"
#include "tensor/temporary_folder.h"
#include "tests/apps/testing.h"

namespace ember {
namespace {

nlohmann::json report_of(const std::string& options) {
  const TemporaryFolder folder;
  const Outcome outcome =
      run(folder.path(), "kernel_report --image-size 32 --batch 2 --json report.json " + options);
  CAPTURE(outcome.errors);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.out.find("The step: ") != std::string::npos);
  return nlohmann::json::parse(content(folder / "report.json"));
}

/// Sectors or passes of two kinds of access, in proportion to the fewest.
double per_fewest(const nlohmann::json& kernel, const char* loads, const char* stores) {
  const auto both = [&](const char* key) {
    return kernel.at(loads).at(key).get<double>() + kernel.at(stores).at(key).get<double>();
  };
  const double fewest = both("fewest_transactions");
  return fewest == 0 ? 1 : both("transactions") / fewest;
}

/// The architectures that the target kernel_resources compiles for, where there is nvcc.
#ifdef EMBER_HAS_KERNEL_RESOURCES
constexpr size_t kCompiledArchitectures = 3;
#else
constexpr size_t kCompiledArchitectures = 0;
#endif

/// The sum of a number over the objects of an array.
int64_t sum(const nlohmann::json& array, const char* key) {
  int64_t total = 0;
  for (const auto& object : array) total += object.at(key).get<int64_t>();
  return total;
}

}  // namespace

TEST_CASE("kernel_report: its tables agree with each other and stay above the floor") {
  if (!emulator::has_hooks()) {
    const TemporaryFolder folder;
    CHECK(run(folder.path(), "kernel_report").code == 69);
    return;
  }
  for (const char* options : {"", "--frozen", "--model baseline_cnn"}) {
    CAPTURE(options);
    const auto report = report_of(options);
    const auto& step = report.at("step");
    CHECK(step.at("allocations") == 0);
    CHECK(step.at("launches") == sum(report.at("kernels"), "launches"));
    CHECK(step.at("launches") == sum(report.at("parts"), "launches"));
    CHECK(step.at("bytes_moved") == sum(report.at("kernels"), "bytes_moved"));
    CHECK(step.at("bytes_moved") == sum(report.at("parts"), "bytes_moved"));
    CHECK(step.at("fewest_bytes_of_layers") == sum(report.at("parts"), "fewest_bytes"));
    CHECK(step.at("bytes_moved") >= step.at("fewest_bytes_of_layers"));

    std::set<std::string> names;
    for (const auto& kernel : report.at("kernels")) {
      CAPTURE(kernel.at("name"));
      CHECK(names.insert(kernel.at("name")).second);
      CHECK(kernel.at("launches") == sum(kernel.at("shapes"), "launches"));
      CHECK(kernel.at("bytes_moved") >= kernel.at("fewest_bytes"));
      CHECK(kernel.at("floor_us").get<double>() ==
            doctest::Approx(kernel.at("fewest_bytes").get<double>() / 2039e3));
      int64_t blocks = 0;
      for (const auto& shape : kernel.at("shapes")) {
        int64_t grid = shape.at("launches");
        for (const auto& size : shape.at("grid")) grid *= size.get<int64_t>();
        blocks += grid;
      }
      CHECK(kernel.at("blocks") == blocks);
      for (const auto& compiled : kernel.at("compiled")) {
        CHECK(compiled.at("registers") > 0);
        CHECK(compiled.at("spill_store_bytes") == 0);
        CHECK(compiled.at("resident_warps") > 0);
      }
    }
    for (const auto& part : report.at("parts")) {
      // What launches nothing rides in a neighbour's kernel.
      if (part.at("launches") == 0) continue;
      CAPTURE(part.at("name"));
      CHECK(part.at("bytes_moved") >= part.at("fewest_bytes"));
    }
  }
}

TEST_CASE("kernel_report: the kernels of a step keep their marks") {
  if (!emulator::has_hooks()) return;
  const TemporaryFolder folder;
  REQUIRE(run(folder.path(), "kernel_report --batch 4 --json report.json").code == 0);
  const auto report = nlohmann::json::parse(content(folder / "report.json"));
  for (const auto& kernel : report.at("kernels")) {
    CAPTURE(kernel.at("name"));
    CHECK(per_fewest(kernel, "global_load", "global_store") <= 1.1);
    CHECK(per_fewest(kernel, "shared_load", "shared_store") <= 1.1);
    CHECK(kernel.at("compiled").size() == kCompiledArchitectures);
    for (const auto& compiled : kernel.at("compiled")) {
      CHECK(compiled.at("stack_bytes") == 0);
      CHECK(compiled.at("spill_store_bytes") == 0);
      CHECK(compiled.at("resident_warps") >= 8);
    }
  }
  // Of what all depthwise convolutions move, in proportion to the fewest bytes.
  const auto ratio = [&](const std::set<std::string>& kernels) {
    double moved = 0;
    double fewest = 0;
    for (const auto& kernel : report.at("kernels")) {
      if (!kernels.contains(kernel.at("name"))) continue;
      moved += kernel.at("bytes_moved").get<double>();
      fewest += kernel.at("fewest_bytes").get<double>();
    }
    REQUIRE(fewest > 0);
    return moved / fewest;
  };
  CHECK(ratio({"depthwise_slide_kernel<float4, ActivationSource, 1>",
               "depthwise_slide_kernel<float4, ActivationSource, 2>"}) <= 1.15);
  CHECK(ratio({"depthwise_slide_kernel<float4, GradientSource, 1>",
               "depthwise_spread_kernel<float4>"}) <= 1.3);
  CHECK(ratio({"depthwise_wgrad_kernel<float4, 1>", "depthwise_wgrad_kernel<float4, 2>"}) <= 1.3);
}

TEST_CASE("kernel_report: a step moves few bytes more than the fused scheme needs") {
  if (!emulator::has_hooks()) return;
  const TemporaryFolder folder;
  REQUIRE(run(folder.path(), "kernel_report --batch 8 --image-size 64 --json report.json").code ==
          0);
  const auto step = nlohmann::json::parse(content(folder / "report.json")).at("step");
  const auto moved = step.at("fewest_bytes_of_kernels").get<double>();
  const auto floor = step.at("fewest_bytes_of_layers").get<double>() +
                     step.at("bytes_read_again_by_two_gradients").get<double>();
  CHECK(moved >= floor);
  CHECK(moved <= 1.15 * floor);
}

TEST_CASE("kernel_report: options that make no sense are refused") {
  const TemporaryFolder folder;
  CHECK(run(folder.path(), "kernel_report --card nonesuch").code == 64);
  CHECK(run(folder.path(), "kernel_report --frozen --model baseline_cnn").code == 64);
}

TEST_CASE("layer_floors: bytes of a block that is added to its input") {
  Model model("block", {4, 4, 8});
  const Conv2DOptions pointwise{.filters = 8, .kernel = {1, 1}, .pixels = {}, .bias = false};
  const Value first = model.add(Conv2D("first", pointwise));
  model.add(Conv2D("second", pointwise));
  model.add(BatchNorm("norm", 1e-3f));
  model.add(ReLU("relu", 6.0f));
  model.add(Add("add"), {first, model.last()});
  const auto floors = layer_floors(model, 2);
  REQUIRE(floors.size() == 5);
  const int64_t activation = 2 * 4 * 4 * 8 * 4;  // bytes
  const int64_t weights = 8 * 8 * 4;
  const double product = 2.0 * 2 * 4 * 4 * 8 * 8;

  CHECK(floors[0].forward_flop == product);
  CHECK(floors[0].backward_flop == product);  // nobody wants the images' gradient
  CHECK(floors[0].forward_bytes == 2 * activation + weights);
  CHECK(floors[0].backward_bytes == 2 * activation + weights);  // dy and x; dweight

  // dy, y for BatchNorm's and the clip's part, x, and dx, which holds add's gradient already.
  CHECK(floors[1].backward_flop == 2 * product);
  CHECK(floors[1].backward_bytes == 5 * activation + 2 * weights);

  CHECK(floors[2].forward_bytes == 4 * 8 * 4);  // gamma, beta and the moving statistics
  CHECK(floors[2].backward_bytes == 2 * 8 * 4);
  CHECK(floors[3].forward_bytes == 0);
  CHECK(floors[3].backward_bytes == 0);
  // dy and y again where dx is an operation of its own; nobody sums up first's gradient.
  CHECK(floors[0].again_bytes == 0);
  CHECK(floors[1].again_bytes == 2 * activation);
  CHECK(floors[2].again_bytes == 0);
  CHECK(floors[4].forward_bytes == 3 * activation);
  CHECK(floors[4].backward_bytes == 0);
  CHECK(floors[4].written == 2 * 4 * 4 * 8);
}

TEST_CASE("layer_floors: the work of MobileNetV2 at 128 pixels") {
  Model model = mobilenet_v2({.image_size = 128}, 3);
  double forward = 0;
  double backward = 0;
  double convolved = 0;  // elements
  for (const LayerFloor& layer : layer_floors(model, 32)) {
    forward += layer.forward_flop;
    backward += layer.backward_flop;
    if (layer.type == "Conv2D" || layer.type == "DepthwiseConv2D") {
      convolved += static_cast<double>(layer.written);
    }
  }
  CHECK(forward == doctest::Approx(6.27e9).epsilon(1e-3));
  CHECK(forward + backward == doctest::Approx(18.6e9).epsilon(2e-3));
  CHECK(convolved / 32 == doctest::Approx(2.18e6).epsilon(2e-3));

  model.set_trainable(0, base_end(model), false);
  double frozen = 0;
  for (const LayerFloor& layer : layer_floors(model, 32)) frozen += layer.backward_flop;
  CHECK(frozen == 2.0 * 32 * (1280 * 128 + 2 * 128 * 3));
}

TEST_CASE("parse_ptxas: what it prints of two kernels for two architectures") {
  CompiledKernels kernels;
  parse_ptxas(
      "ptxas info    : 0 bytes gmem\n"
      "ptxas info    : Compiling entry function "
      "'_ZN5ember4cuda12_GLOBAL__N_110add_kernelI6float4EEvPKf' for 'sm_80'\n"
      "ptxas info    : Function properties for _ZN5ember4cuda\n"
      "    48 bytes stack frame, 16 bytes spill stores, 24 bytes spill loads\n"
      "ptxas info    : Used 40 registers, used 1 barriers, 17408 bytes smem, 440 bytes cmem[0]\n"
      "ptxas info    : Compile time = 32.731 ms\n"
      "ptxas info    : Compiling entry function '_Z11fill_kernelv' for 'sm_80'\n"
      "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
      "ptxas info    : Used 8 registers, used 0 barriers\n"
      "ptxas info    : Compiling entry function '_Z11fill_kernelv' for 'sm_120'\n"
      "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
      "ptxas info    : Used 10 registers, used 0 barriers",
      kernels);
  REQUIRE(kernels.size() == 2);
  const CompiledKernel& add = kernels.at("add_kernel<float4>").at(80);
  CHECK(add.registers == 40);
  CHECK(add.shared_bytes == 17408);
  CHECK(add.stack_bytes == 48);
  CHECK(add.spill_stores == 16);
  CHECK(add.spill_loads == 24);
  CHECK(kernels.at("fill_kernel").at(80).registers == 8);
  CHECK(kernels.at("fill_kernel").at(80).shared_bytes == 0);
  CHECK(kernels.at("fill_kernel").at(120).registers == 10);
}

TEST_CASE("resident_warps: threads, registers or shared memory are what an SM runs out of") {
  if (!resident_warps(80, {.registers = 32}, 256, 0)) {
    MESSAGE("skipped: the occupancy calculator comes with the CUDA Toolkit");
    return;
  }
  CHECK(resident_warps(80, {.registers = 32}, 256, 0) == 64);
  CHECK(resident_warps(120, {.registers = 32}, 256, 0) == 48);
  // 168 registers of 256 threads are 43008 of 65536.
  CHECK(resident_warps(90, {.registers = 168}, 256, 0) == 8);
  // Blocks of 33 KiB, of which 1 KiB is the driver's, in 164, 228 and 100 KiB.
  const CompiledKernel shared{.registers = 32, .shared_bytes = 24 << 10};
  CHECK(resident_warps(80, shared, 256, 8 << 10) == 8 * 4);
  CHECK(resident_warps(90, shared, 256, 8 << 10) == 8 * 6);
  CHECK(resident_warps(120, shared, 256, 8 << 10) == 8 * 3);
}

}  // namespace ember
