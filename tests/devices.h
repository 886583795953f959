#pragma once

#include <vector>

#include "tensor/device.h"

namespace ember {

/// The devices that this test binary covers: the emulated GPU alone in a binary of that name, else
/// the CPU and a real GPU where there is one.
std::vector<Device> test_devices();

}  // namespace ember
