// Lesson 5: a race, seen on an emulated GPU and mended. 5_race.md tells the story; the kernels
// stand in 5_race.cu.
#include "docs/lessons/5_race.h"

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>

#include "apps/program.h"
#include "kernels/emulator/emulator.h"
#include "tensor/error.h"

namespace ember {
namespace {

using cuda::lesson::kBlocks;
using cuda::lesson::kThreads;

struct Version {
  const char* name;
  cuda::lesson::Sum* sum;
};

constexpr Version kVersions[] = {
    {"without barrier", cuda::lesson::sum_without_barrier},
    {"without fence", cuda::lesson::sum_without_fence},
    {"mended", cuda::lesson::sum_mended},
};

struct Outcome {
  float sum = NAN;
  std::string report;  ///< of the checker; empty when it found nothing
};

/// One launch, in the order of blocks and threads that `seed` stands for.
Outcome run(const Version& version, const Tensor& x, emulator::Watch watch, uint64_t seed) {
  Tensor partials({kBlocks}, Device::cuda);
  LabelTensor counter = LabelTensor::zeros({1}, Device::cuda);
  Tensor sum = Tensor::filled({1}, NAN, Device::cuda);
  Outcome outcome;
  emulator::set_watch(watch);
  emulator::set_seed(seed);
  try {
    version.sum(x, partials, counter, sum);
  } catch (const Error&) {
    outcome.report = cudaGetErrorString(cudaGetLastError());
  }
  emulator::set_watch(emulator::Watch::faults);
  outcome.sum = sum.to(Device::cpu).data()[0];
  return outcome;
}

/// What the checker has said of one kind of fault: "data race on shared array warp_sums", ...
struct Reports {
  int64_t count = 0;
  uint64_t seed = 0;  ///< of the first
  std::string first;
};

struct Tally {
  int64_t right = 0;  ///< without the checker
  std::set<std::string> results;
  int64_t reported = 0;
  std::map<std::string, Reports> reports;
};

Tally run_all(const Version& version, const Tensor& x, float expected, uint64_t seeds) {
  Tally tally;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const float sum = run(version, x, emulator::Watch::nothing, seed).sum;
    tally.results.insert(fmt::to_string(sum));
    if (sum == expected) tally.right += 1;
    const std::string report = run(version, x, emulator::Watch::faults, seed).report;
    if (report.empty()) continue;
    tally.reported += 1;
    Reports& kind = tally.reports[report.substr(0, report.find(':'))];
    if (kind.count == 0) kind.first = report;
    if (kind.count == 0) kind.seed = seed;
    kind.count += 1;
  }
  return tally;
}

void run_lesson(uint64_t seeds) {
  Tensor numbers({kBlocks, kThreads});
  std::iota(numbers.values().begin(), numbers.values().end(), 1.0f);
  const float expected = std::accumulate(numbers.values().begin(), numbers.values().end(), 0.0f);
  const Tensor x = numbers.to(Device::cuda);
  fmt::print("1 + 2 + ... + {} = {}, by {} blocks of {} threads, in {} orders.\n\n", numbers.size(),
             expected, kBlocks, kThreads, seeds);

  Tally tallies[std::size(kVersions)];
  fmt::print("{:<18} {:>10} {:>18} {:>10}\n", "version", "right", "different results", "reported");
  for (size_t i = 0; i < std::size(kVersions); ++i) {
    tallies[i] = run_all(kVersions[i], x, expected, seeds);
    const Tally& tally = tallies[i];
    fmt::print("{:<18} {:>10} {:>18} {:>10}\n", kVersions[i].name, tally.right,
               tally.results.size(), tally.reported);
  }
  for (size_t i = 0; i < std::size(kVersions); ++i) {
    for (const auto& [kind, reports] : tallies[i].reports) {
      fmt::print("\n{}, {} times, first with seed {}:\n  {}\n", kVersions[i].name, reports.count,
                 reports.seed, reports.first);
    }
  }
  const Tally& mended = tallies[std::size(kVersions) - 1];
  EMBER_REQUIRE(mended.right == static_cast<int64_t>(seeds), "the mended sum is wrong");
  EMBER_REQUIRE(mended.reported == 0, "the checker reports on the mended sum");
  if (!emulator::has_hooks()) return;
  for (size_t i = 0; i + 1 < std::size(kVersions); ++i) {
    EMBER_REQUIRE(tallies[i].reported == static_cast<int64_t>(seeds),
                  "{}: the checker missed it in {} orders", kVersions[i].name,
                  static_cast<int64_t>(seeds) - tallies[i].reported);
  }
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  uint64_t seeds = 200;
  CLI::App app("Lesson 5: a race, seen on an emulated GPU and mended", "lesson_5_race");
  app.add_option("--seeds", seeds, "Orders of blocks and threads to try with each version")
      ->capture_default_str();
  return ember::run_program(app, argc, argv, [&] { ember::run_lesson(seeds); });
}
