#include "tests/emulator/faults.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <numeric>
#include <regex>
#include <set>
#include <string>

#include "kernels/emulator/emulator.h"
#include "tests/emulator/device_array.h"

namespace ember {
namespace {

constexpr uint64_t kSeeds = 20;

struct Outcome {
  std::string report;
  std::vector<float> out;
};

Outcome outcome(const Fault& fault, Fault::Kernel kernel) {
  const int n = fault.n != 0 ? fault.n : static_cast<int>(fault.grid.x * fault.block.x);
  std::vector<float> values(static_cast<size_t>(n));
  const DeviceArray<float> out(values.size());
  cudaMemset(out.data(), 0, fault.zeroed ? values.size() * sizeof(float) : 0);
  std::iota(values.begin(), values.end(), 0.0f);
  const DeviceArray<float> in(values);
  const float* given = in.data();
  if (fault.given == Given::host_memory) given = values.data();
  if (fault.given == Given::freed_memory) given = DeviceArray<float>(values).data();
  std::string report =
      run(kernel, fault.grid, fault.block, fault.shared_bytes, out.data(), given, n);
  return {std::move(report), out.values()};
}

/// Lines of `source` that a report on its kernel `name` may name: those marked in the kernel itself
/// and in what it calls.
std::set<std::string> marked_lines(const std::string& source, const std::string& name) {
  std::ifstream file(EMBER_SOURCE_DIR "/tests/emulator/" + source);
  std::set<std::string> marked;
  std::string line;
  std::string function;
  const std::regex definition(R"(__(global|device)__ \w+ (\w+)\()");
  bool helper = false;
  for (int number = 1; std::getline(file, line); ++number) {
    std::smatch match;
    if (std::regex_search(line, match, definition)) {
      helper = match[1] == "device";
      function = match[2];
    }
    if ((function == name || helper) && line.find("// here") != std::string::npos) {
      marked.insert(fmt::format("{}:{}", source, number));
    }
  }
  return marked;
}

/// What is not as it should be in a report on the fault; empty when all is well.
std::string complaint(const std::string& source, const Fault& fault, const std::string& report) {
  if (!std::regex_search(report, std::regex(fault.report))) return "is of another kind";
  const std::string kernel = fmt::format(" in {}<true>, block (", fault.name);
  if (report.find(kernel) == std::string::npos) return "does not name the kernel and its block";
  if (report.find("thread (") == std::string::npos) return "names no thread";
  const std::regex place(R"(\w+_faults\.cu:\d+)");
  const std::vector<std::string> places{
      std::sregex_token_iterator(report.begin(), report.end(), place), {}};
  const bool two = report.starts_with("data race") || report.starts_with("divergent barrier");
  if (places.size() < (two ? 2 : 1)) return "names too few places";
  const auto marked = marked_lines(source, fault.name);
  for (const std::string& line : places) {
    if (!marked.contains(line)) return "names " + line;
  }
  return "";
}

void check_faults(const std::string& source, std::span<const Fault> faults) {
  for (const Fault& fault : faults) {
    INFO(std::string(fault.name));
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      CAPTURE(seed);
      emulator::set_seed(seed);
      const Outcome wrong = outcome(fault, fault.wrong);
      const Outcome right = outcome(fault, fault.right);
      CHECK(right.report == "");
      INFO("the report: " << wrong.report);
      if (*fault.report == '\0') {
        CHECK(wrong.report == "");
        CHECK(wrong.out != right.out);
      } else {
        CHECK(complaint(source, fault, wrong.report) == "");
      }
    }
  }
}

}  // namespace

TEST_CASE("each planted fault is found under every seed, with its places, and none without it") {
  CHECK(block_faults().size() + grid_faults().size() >= 30);
  if (!emulator::has_hooks()) {
    MESSAGE("skipped: this build's kernels are compiled without the checker's hooks");
    return;
  }
  check_faults("block_faults.cu", block_faults());
  check_faults("grid_faults.cu", grid_faults());
}

}  // namespace ember
