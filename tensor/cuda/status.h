#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ember::cuda {

/// One GPU of this machine.
struct Gpu {
  std::string name;
  int architecture;  ///< 90 for sm_90
  int multiprocessors;
  size_t memory_bytes;
  size_t cache_bytes;  ///< of its second-level cache
};

/// What CUDA finds here.
struct Status {
  bool emulated;        ///< the GPU is Ember's emulated one
  int driver_version;   ///< the newest CUDA that the driver knows, 13000 for 13.0; 0: no driver
  int runtime_version;  ///< the CUDA that this program was built with
  std::vector<Gpu> gpus;
  std::string reason;  ///< why the first GPU cannot be used; empty when it can

  bool usable() const { return reason.empty(); }
};

/// "13.0" of 13000.
std::string version_text(int version);

/// Looked for at the first call; a kernel has then run on the first GPU if it is usable. Never
/// throws.
const Status& status();

}  // namespace ember::cuda
