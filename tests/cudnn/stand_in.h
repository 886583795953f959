#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

/// A cuDNN for tests on the emulated card, as a shared library that Ember opens in the real one's
/// place: it has the twelve functions that Ember calls, accepts every convolution graph that is
/// well formed, and computes by the definition, in double precision, on the CPU. So what Ember says
/// in its graphs and which pointers it hands over are checked by results.
struct CudnnStandIn {
  size_t version = 90800;
  bool refuse_plans = false;      ///< heuristics offer nothing
  bool refuse_execution = false;  ///< plans fail when they run
  int64_t executed = 0;           ///< plans that ran
  /// Puts a result into the emulated card's memory. Where it is left at this, the memory must have
  /// been written before, or the checker knows of no result there.
  void (*write)(void* to, const void* from, size_t bytes) =
      [](void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); };
};

/// The library exports this one, under the name `cudnn_stand_in`.
extern "C" CudnnStandIn cudnn_stand_in;
