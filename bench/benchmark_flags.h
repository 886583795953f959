#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "tensor/error.h"

namespace ember {

/// Gives `program`'s flags to Google Benchmark, the last of two alike having its way; throws
/// Error(usage) where one is not its own.
inline void take_benchmark_flags(std::vector<std::string> flags, const std::string& program) {
  flags.insert(flags.begin(), program);
  std::vector<char*> arguments;
  arguments.reserve(flags.size());
  for (std::string& flag : flags) arguments.push_back(flag.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (count > 1) fail(ExitCode::usage, "{}: unknown option", arguments[1]);
}

}  // namespace ember
