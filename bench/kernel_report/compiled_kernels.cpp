#include "bench/kernel_report/compiled_kernels.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>

#include "kernels/emulator/emulator.h"

namespace ember {
namespace {

/// The number before `what`: 18432 in "used 1 barriers, 18432 bytes smem".
int64_t number_before(const std::string& line, const std::string& what) {
  std::smatch match;
  return std::regex_search(line, match, std::regex("(\\d+) " + what)) ? std::stoll(match[1]) : 0;
}

}  // namespace

// ptxas info    : Compiling entry function '_ZN5ember...' for 'sm_80'
// ptxas info    : Function properties for _ZN5ember...
//     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
// ptxas info    : Used 96 registers, used 1 barriers, 17408 bytes smem, 520 bytes cmem[0]
void parse_ptxas(std::string_view text, CompiledKernels& kernels) {
  static const std::regex entry(R"(Compiling entry function '(\w+)' for 'sm_(\d+)\w?')");
  CompiledKernel* kernel = nullptr;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    std::smatch match;
    if (std::regex_search(line, match, entry)) {
      kernel = &kernels[emulator::kernel_name(match[1])][std::stoi(match[2])];
    } else if (kernel != nullptr && line.find("bytes stack frame") != std::string::npos) {
      kernel->stack_bytes = number_before(line, "bytes stack frame");
      kernel->spill_stores = number_before(line, "bytes spill stores");
      kernel->spill_loads = number_before(line, "bytes spill loads");
    } else if (kernel != nullptr && line.find("Used ") != std::string::npos) {
      kernel->registers = static_cast<int>(number_before(line, "registers"));
      kernel->shared_bytes = number_before(line, "bytes smem");
      kernel = nullptr;
    }
  }
}

CompiledKernels read_compiled_kernels(const std::filesystem::path& folder) {
  CompiledKernels kernels;
  if (!std::filesystem::is_directory(folder)) return kernels;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".txt") continue;
    std::ifstream stream(file.path());
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    parse_ptxas(text, kernels);
  }
  return kernels;
}

}  // namespace ember
