#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "kernels/emulator/machine.h"

/// Names and source lines of the running program, from its ELF symbol table and debug information.
namespace ember::emulator {

struct Symbol {
  const std::byte* address;
  size_t bytes;
  std::string name;  ///< mangled
};

/// All variables.
std::span<const Symbol> data_symbols();

std::string demangle(const std::string& name);

/// The name of the kernel at an address, as emulator.h's kernel_name().
std::string kernel_name(const void* kernel);

/// "kernels/add.cu" of "/somewhere/kernels/add.cu".
std::string last_two_parts(const std::string& path);

/// "kernels/add.cu:33", and of inlined code behind it the line that it was inlined into, and so on;
/// the address where addr2line (binutils) is not installed.
const std::vector<std::string>& source_lines(Site site);
/// The first of them.
const std::string& source_line(Site site);

}  // namespace ember::emulator
