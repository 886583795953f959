#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "tensor/error.h"

namespace ember {

/// Gives the flags of `program`, a string literal that Google Benchmark keeps, to it, the last of
/// two alike having its way; throws Error(usage) where one is not its own.
inline void take_benchmark_flags(std::vector<std::string> flags, const char* program) {
  std::vector<char*> arguments{const_cast<char*>(program)};
  for (std::string& flag : flags) arguments.push_back(flag.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (count > 1) fail(ExitCode::usage, "{}: unknown option", arguments[1]);
}

}  // namespace ember
