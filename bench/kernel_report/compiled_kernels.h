#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

/// What the compiler says of the kernels.
namespace ember {

/// A kernel as compiled for one architecture.
struct CompiledKernel {
  int registers = 0;         ///< of a thread
  int64_t shared_bytes = 0;  ///< static, of a block
  int64_t stack_bytes = 0;   ///< local memory of a thread
  int64_t spill_stores = 0;  ///< bytes of a thread, within its local memory
  int64_t spill_loads = 0;
};

/// By the kernel's name as emulator::kernel_name() gives it and by architecture, 80 for sm_80.
using CompiledKernels = std::map<std::string, std::map<int, CompiledKernel>>;

/// Adds the kernels of what `nvcc -Xptxas -v` has printed.
void parse_ptxas(std::string_view text, CompiledKernels& kernels);

/// Those of all texts in a folder; none where there is no such folder.
CompiledKernels read_compiled_kernels(const std::filesystem::path& folder);

}  // namespace ember
