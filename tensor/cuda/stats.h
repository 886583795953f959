#pragma once

#include "tensor/device.h"

/// What device_stats() counts.
namespace ember::cuda {

void count_launch();
void count_copy();
void count_host_wait();
void count_memory_change();

/// What was recorded for a graph is not done yet: takes back what has been counted since `before`,
/// and returns it.
DeviceStats take_back(const DeviceStats& before);
/// A graph has done all that again.
void count_replay(const DeviceStats& recorded);

}  // namespace ember::cuda
