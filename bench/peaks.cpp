#include "bench/peaks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/peaks.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for each SIMD target
#include <hwy/highway.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "tensor/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace ember::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Returns the operations done in `rounds` rounds of independent multiply-adds; `sink` keeps the
/// compiler from leaving them out.
double MultiplyAdds(int64_t rounds, float* sink) {
  constexpr int kChains = 12;  // latency times issue width, with some to spare
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, sink[0]);
  hn::Vec<decltype(d)> sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = hn::Set(d, sink[i]);
  for (int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kChains; ++i) sums[i] = hn::MulAdd(sums[i], factor, factor);
  }
  auto total = sums[0];
  for (int i = 1; i < kChains; ++i) total = hn::Add(total, sums[i]);
  sink[0] = hn::GetLane(total) * 0.0f;
  return 2.0 * static_cast<double>(rounds * kChains) * static_cast<double>(hn::Lanes(d));
}

}  // namespace ember::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ember {

HWY_EXPORT(MultiplyAdds);

namespace {

using Clock = std::chrono::steady_clock;

/// The shortest of several calls, in seconds.
template <typename Body>
double shortest(int calls, const Body& body) {
  double best = 1e9;
  for (int i = 0; i < calls; ++i) {
    const auto begin = Clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

CopySpeed copy_speed_of(int64_t bytes) {
  const int64_t half = bytes / 2;
  const auto from = ByteTensor::filled({half}, 1);
  ByteTensor to = ByteTensor::zeros({half});
  const int64_t repeats = std::max<int64_t>((int64_t{1} << 26) / bytes, 1);
  const double seconds = shortest(5, [&] {
    for (int64_t i = 0; i < repeats; ++i) {
      std::memcpy(to.data(), from.data(), static_cast<size_t>(half));
    }
  });
  return {bytes, static_cast<double>(repeats * bytes) / seconds};
}

}  // namespace

double Peaks::copy_speed(int64_t bytes) const {
  const auto found = std::find_if(copies.begin(), copies.end(),
                                  [&](const CopySpeed& copy) { return copy.bytes >= bytes; });
  return (found == copies.end() ? copies.back() : *found).bytes_per_second;
}

Peaks measure_peaks() {
  constexpr int64_t kRounds = 1'000'000;
  Peaks peaks;
  float sink[16] = {};
  double operations = 0;
  const double seconds =
      shortest(20, [&] { operations = HWY_DYNAMIC_DISPATCH(MultiplyAdds)(kRounds, sink); });
  peaks.flops = operations / seconds;
  for (int64_t bytes = int64_t{1} << 14; bytes <= int64_t{1} << 29; bytes *= 2) {
    peaks.copies.push_back(copy_speed_of(bytes));
  }
  return peaks;
}

}  // namespace ember
#endif  // HWY_ONCE
