#pragma once

#include "tensor/device.h"
#include "tensor/error.h"

/// Calls `cpu::function(...)` or `cuda::function(...)`, whichever the device asks for.
#define EMBER_DISPATCH(device, function, ...) \
  do {                                        \
    if ((device) == ::ember::Device::cuda) {  \
      cuda::function(__VA_ARGS__);            \
    } else {                                  \
      cpu::function(__VA_ARGS__);             \
    }                                         \
  } while (false)
