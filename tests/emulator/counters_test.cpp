#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "kernels/emulator/emulator.h"
#include "tests/emulator/device_array.h"
#include "tests/emulator/language.h"

namespace ember {
namespace {

using emulator::KernelCounters;

/// The counters of one launch.
template <typename... P, typename... A>
KernelCounters count(const std::string& name, void (*kernel)(P...), dim3 grid, dim3 block,
                     A... arguments) {
  emulator::reset_counters();
  emulator::set_watch(emulator::Watch::counters);
  const std::string report = run(kernel, grid, block, 0, arguments...);
  emulator::set_watch(emulator::Watch::faults);
  REQUIRE(report == "");
  return emulator::counters().at(name);
}

}  // namespace

TEST_CASE("neighbouring threads share sectors, strides and shifts cost more") {
  if (!emulator::has_hooks()) return;
  const DeviceArray<float> from(std::vector<float>(4096, 1.0f));
  const DeviceArray<float> to(512);
  const auto* from4 = reinterpret_cast<const float4*>(from.data());
  const auto wide =
      count("copy4_kernel", copy4_kernel, 2, 64, reinterpret_cast<float4*>(to.data()), from4);
  CHECK(wide.launches == 1);
  CHECK(wide.blocks == 2);
  CHECK(wide.threads == 128);
  CHECK(wide.global_load.requests == 4);
  CHECK(wide.global_load.lanes == 128);
  CHECK(wide.global_load.bytes == 2048);
  CHECK(wide.global_load.transactions == 64);  // sectors of 32 bytes
  CHECK(wide.global_load.fewest == 64);
  CHECK(wide.global_store.transactions == 64);
  CHECK(wide.distinct_read == 2048);
  CHECK(wide.distinct_written == 2048);

  const auto straight = count("copy_kernel", copy_kernel, 2, 64, to.data(), from.data(), 0, 1);
  CHECK(straight.global_load.transactions == 16);
  CHECK(straight.global_load.fewest == 16);
  const auto shifted = count("copy_kernel", copy_kernel, 2, 64, to.data(), from.data(), 1, 1);
  CHECK(shifted.global_load.transactions == 20);  // five sectors a warp instead of four
  CHECK(shifted.global_load.fewest == 16);
  const auto strided = count("copy_kernel", copy_kernel, 2, 64, to.data(), from.data(), 0, 8);
  CHECK(strided.global_load.transactions == 128);  // one sector a lane
  CHECK(strided.global_load.fewest == 16);
  CHECK(strided.global_store.transactions == 16);
}

TEST_CASE("lanes that meet in a shared-memory bank wait for each other") {
  if (!emulator::has_hooks()) return;
  const DeviceArray<float> out(32);
  for (int stride : {1, 2, 4, 31, 32}) {
    CAPTURE(stride);
    const auto counted = count("banks_kernel", banks_kernel, 1, 32, out.data(), stride);
    const int passes = stride == 31 ? 1 : stride;
    CHECK(counted.shared_store.transactions == passes);
    CHECK(counted.shared_load.transactions == passes);
    CHECK(counted.shared_load.fewest == 1);
  }
}

TEST_CASE("vectors of 16 bytes pass through the banks a quarter of a warp at a time") {
  if (!emulator::has_hooks()) return;
  const DeviceArray<float4> out(32);
  for (int stride : {1, 2, 4}) {
    CAPTURE(stride);
    const auto counted =
        count("vector_banks_kernel", vector_banks_kernel, 1, 32, out.data(), stride);
    CHECK(counted.shared_store.transactions == 4 * stride);
    CHECK(counted.shared_load.transactions == 4 * stride);
    CHECK(counted.shared_load.fewest == 4);
  }
}

TEST_CASE("barriers, atomics and idle lanes are counted") {
  if (!emulator::has_hooks()) return;
  const DeviceArray<float> from(std::vector<float>(80, 1.0f));
  const DeviceArray<float> to(80);
  const auto idle = count("copy_kernel", copy_kernel, 2, 40, to.data(), from.data(), 0, 1);
  CHECK(idle.global_load.requests == 4);  // two warps a block, of 32 and 8 lanes
  CHECK(idle.global_load.lanes == 80);
  CHECK(idle.barriers == 0);
  const DeviceArray<unsigned> cells(std::vector<unsigned>(7));
  const auto atomics = count("atomics_kernel", atomics_kernel, 2, 32, cells.data());
  CHECK(atomics.atomics.requests == 2 * 7);
  CHECK(atomics.atomics.lanes == 2 * 7 * 32);
  const DeviceArray<int> votes(3 * 64);
  CHECK(count("barrier_votes_kernel", barrier_votes_kernel, 1, 64, votes.data()).barriers == 3);
}

TEST_CASE("launches are counted one by one, under their label") {
  const DeviceArray<float> from(std::vector<float>(64, 1.0f));
  const DeviceArray<float> to(64);
  emulator::reset_counters();
  emulator::set_watch(emulator::Watch::counters);
  const auto copy = [&](const char* label, dim3 grid, dim3 block) {
    emulator::set_launch_label(label);
    REQUIRE(run(copy_kernel, grid, block, 16, to.data(), from.data(), 0, 1) == "");
  };
  copy("wide", 1, 64);
  copy("narrow", dim3(2, 1), dim3(16, 2));
  emulator::set_launch_label("");
  emulator::set_watch(emulator::Watch::faults);

  const auto& launches = emulator::counted_launches();
  REQUIRE(launches.size() == 2);
  CHECK(launches[0].label == "wide");
  CHECK(launches[1].kernel == "copy_kernel");
  CHECK(launches[1].label == "narrow");
  CHECK(launches[1].grid == std::array<unsigned, 3>{2, 1, 1});
  CHECK(launches[1].block == std::array<unsigned, 3>{16, 2, 1});
  CHECK(launches[1].dynamic_shared_bytes == 16);
  const KernelCounters both = emulator::counters().at("copy_kernel");
  CHECK(both.launches == 2);
  CHECK(both.blocks == 3);
  CHECK(both.threads == 128);
}

TEST_CASE("a dry run leaves memory as it is") {
  const DeviceArray<float> from(std::vector<float>(32, 1.0f));
  const DeviceArray<float> to(std::vector<float>(32, 2.0f));
  emulator::set_dry_run(true);
  CHECK(run(copy_kernel, 1, 32, 0, to.data(), from.data(), 0, 1) == "");
  emulator::set_dry_run(false);
  CHECK(to.values() == std::vector<float>(32, 2.0f));
  CHECK(run(copy_kernel, 1, 32, 0, to.data(), from.data(), 0, 1) == "");
  CHECK(to.values() == from.values());
}

}  // namespace ember
