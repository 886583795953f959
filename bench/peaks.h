#pragma once

#include <cstdint>
#include <vector>

/// What one core of this machine reaches at the most, measured: the roofs that layers are held
/// against.
namespace ember {

struct CopySpeed {
  int64_t bytes;            ///< that the copy reads and writes together
  double bytes_per_second;  ///< of both
};

struct Peaks {
  double flops;                   ///< multiply-adds on registers, two operations each, a second
  std::vector<CopySpeed> copies;  ///< of growing size, from the first-level cache to memory

  /// The speed of the smallest copy of at least `bytes`.
  double copy_speed(int64_t bytes) const;
};

/// On the calling thread, in about a second.
Peaks measure_peaks();

}  // namespace ember
