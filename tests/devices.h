#pragma once

#include <vector>

#include "tensor/device.h"

namespace ember {

/// The devices that this test binary covers: the emulated GPU alone in a binary of that name, which
/// is set to its first order, else the CPU and a real GPU where there is one. Throws where there is
/// none although the environment variable EMBER_TEST_REQUIRE_GPU is set.
std::vector<Device> test_devices();

/// In how many orders a test runs what must come out equal in any order of threads: on the CPU
/// with 1, 2 and 3 threads, on a GPU three times, on the emulated one under the seeds FIRST-LAST of
/// its order of blocks and threads that the environment variable EMBER_EMULATOR_SEEDS names, or 1
/// and 2.
int order_count(Device device);

/// Lets the device run in order number `order`, from 0.
void set_order(Device device, int order);

}  // namespace ember
