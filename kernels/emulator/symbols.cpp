#include "kernels/emulator/symbols.h"

#include <cxxabi.h>
#include <elf.h>
#include <fmt/format.h>
#include <link.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>

#include "kernels/emulator/emulator.h"

namespace ember::emulator {

/// Where the program's first segment is loaded: addresses of its ELF file are counted from there.
const uintptr_t program_base = [] {
  uintptr_t found = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* result) {
        *static_cast<uintptr_t*>(result) = info->dlpi_addr;
        return 1;  // the program itself comes first
      },
      &found);
  return found;
}();

namespace {

struct Symbols {
  std::vector<Symbol> data;
  std::map<const void*, std::string> functions;
};

Symbols read_symbols() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::vector<char> image{std::istreambuf_iterator<char>(file), {}};
  Symbols symbols;
  if (image.size() < sizeof(Elf64_Ehdr)) return symbols;
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(image.data());
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(image.data() + header->e_shoff);
  for (unsigned i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const char* names = image.data() + sections[sections[i].sh_link].sh_offset;
    const auto* entries = reinterpret_cast<const Elf64_Sym*>(image.data() + sections[i].sh_offset);
    for (size_t k = 0; k < sections[i].sh_size / sizeof(Elf64_Sym); ++k) {
      const Elf64_Sym& entry = entries[k];
      const auto* address = reinterpret_cast<const std::byte*>(program_base + entry.st_value);
      const char* name = names + entry.st_name;
      if (ELF64_ST_TYPE(entry.st_info) == STT_OBJECT) {
        symbols.data.push_back({address, entry.st_size, name});
      } else if (ELF64_ST_TYPE(entry.st_info) == STT_FUNC) {
        symbols.functions.emplace(address, name);
      }
    }
  }
  return symbols;
}

const Symbols& symbols() {
  static const Symbols read = read_symbols();
  return read;
}

/// Drops what stands in matching brackets from `open` on, and everything behind.
std::string before(const std::string& text, char open) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == open && depth == 0 && text.compare(i, 11, "(anonymous ") != 0) {
      return text.substr(0, i);
    }
    if (text[i] == '<') ++depth;
    if (text[i] == '>') --depth;
  }
  return text;
}

}  // namespace

std::string last_two_parts(const std::string& path) {
  const size_t file = path.rfind('/');
  const size_t folder = file == std::string::npos || file == 0 ? file : path.rfind('/', file - 1);
  return folder == std::string::npos ? path : path.substr(folder + 1);
}

std::span<const Symbol> data_symbols() { return symbols().data; }

std::string demangle(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : name;
}

std::string kernel_name(const std::string& symbol) {
  std::string name = before(demangle(symbol), '(');
  const std::string bare = before(name, '<');
  const size_t scope = bare.rfind("::");
  if (scope != std::string::npos) name = name.substr(scope + 2);
  if (name.starts_with("void ")) name = name.substr(5);
  return name;
}

std::string kernel_name(const void* kernel) {
  static std::map<const void*, std::string> names;
  std::string& name = names[kernel];
  if (!name.empty()) return name;
  const auto found = symbols().functions.find(kernel);
  if (found == symbols().functions.end()) return name = fmt::format("kernel at {}", kernel);
  return name = kernel_name(found->second);
}

const std::vector<std::string>& source_lines(Site site) {
  static std::map<Site, std::vector<std::string>> known;
  std::vector<std::string>& lines = known[site];
  if (!lines.empty()) return lines;
  // The call instruction stands before the return address. The emulator's own headers are left out.
  const std::string command =
      fmt::format("addr2line -i -e /proc/{}/exe {:#x} 2>/dev/null", getpid(), site - 1);
  std::array<char, 1024> output{};
  if (FILE* pipe = popen(command.c_str(), "r")) {
    while (fgets(output.data(), static_cast<int>(output.size()), pipe) != nullptr) {
      const std::string_view text = output.data();
      if (text.starts_with("??") || text.find("/emulator/device_code.h") != text.npos) continue;
      lines.push_back(last_two_parts(std::string(text.substr(0, text.find_first_of(" \n")))));
    }
    pclose(pipe);
  }
  if (lines.empty()) lines.push_back(fmt::format("address {:#x}", site));
  return lines;
}

const std::string& source_line(Site site) { return source_lines(site).front(); }

}  // namespace ember::emulator
