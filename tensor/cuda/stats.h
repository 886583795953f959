#pragma once

#include "tensor/device.h"

/// What device_stats() counts.
namespace ember::cuda {

void count_launch();
void count_copy();
void count_host_wait();

}  // namespace ember::cuda
