#pragma once

#include "tensor/device.h"
#include "tensor/error.h"

/// Calls `cpu::function(...)` or `cuda::function(...)`, whichever the device asks for: the one
/// place where the build decides whether there is a CUDA half.
#ifdef EMBER_CUDA
#define EMBER_DISPATCH(device, function, ...) \
  do {                                        \
    if ((device) == ::ember::Device::cuda) {  \
      cuda::function(__VA_ARGS__);            \
    } else {                                  \
      cpu::function(__VA_ARGS__);             \
    }                                         \
  } while (false)
#else
#define EMBER_DISPATCH(device, function, ...)                                          \
  do {                                                                                 \
    EMBER_REQUIRE((device) == ::ember::Device::cpu, #function ": built without CUDA"); \
    cpu::function(__VA_ARGS__);                                                        \
  } while (false)
#endif
