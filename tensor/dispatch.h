#pragma once

#include <algorithm>
#include <string_view>

#include "tensor/device.h"
#include "tensor/error.h"
#include "tensor/tensor.h"

namespace ember {

/// Fails if an argument is a tensor, not empty, on another device. `names` are the arguments as the
/// call has them: "x, pending, y".
template <typename... Args>
void require_device(std::string_view operation, std::string_view names, Device device,
                    const Args&... args) {
  const auto check = [&]<typename T>(const T& argument) {
    const size_t end = std::min(names.find(','), names.size());
    if constexpr (requires { argument.device(); }) {
      if (!argument.empty() && argument.device() != device) {
        fail(ExitCode::internal, "{}: {} is on {}, the other tensors are on {}", operation,
             names.substr(0, end), to_string(argument.device()), to_string(device));
      }
    }
    names.remove_prefix(std::min(end + 2, names.size()));
  };
  (check(args), ...);
}

}  // namespace ember

/// Fails if a tensor among the arguments of `function` is on another device.
#define EMBER_REQUIRE_DEVICE(device, function, ...) \
  ::ember::require_device(#function, #__VA_ARGS__, (device), __VA_ARGS__)

/// Calls `cpu::function(...)` or `cuda::function(...)`, whichever the device asks for, on tensors
/// that are all there.
#define EMBER_DISPATCH(device, function, ...)            \
  do {                                                   \
    EMBER_REQUIRE_DEVICE(device, function, __VA_ARGS__); \
    if ((device) == ::ember::Device::cuda) {             \
      cuda::function(__VA_ARGS__);                       \
    } else {                                             \
      cpu::function(__VA_ARGS__);                        \
    }                                                    \
  } while (false)
