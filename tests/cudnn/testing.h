#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "kernels/cudnn/library.h"
#include "kernels/cudnn/planner.h"
#include "tensor/error.h"

namespace ember::cudnn {

/// Whether tests can plan; says so where they cannot.
inline bool installed() {
  try {
    library();
    return true;
  } catch (const Error& error) {
    fmt::print("skipped: {}\n", error.what());
    return false;
  }
}

/// The described card that the environment variable EMBER_CUDNN_DEVICE names, else an A100.
inline std::string device_file() {
  const char* file = std::getenv("EMBER_CUDNN_DEVICE");
  return file != nullptr ? file : EMBER_SOURCE_DIR "/tests/cudnn/devices/sm_80.json";
}

inline Target described_card() {
  std::ifstream file(device_file());
  return Target::described(std::string(std::istreambuf_iterator(file), {}));
}

}  // namespace ember::cudnn
