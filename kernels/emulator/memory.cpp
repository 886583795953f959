#include "kernels/emulator/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <map>
#include <new>
#include <vector>

#include "kernels/emulator/machine.h"
#include "kernels/emulator/symbols.h"

extern "C" {
// The linker's marks around the constant and the zero-initialised data.
extern char __executable_start;  // NOLINT(bugprone-reserved-identifier)
extern char __bss_start;         // NOLINT(bugprone-reserved-identifier)
extern char _end;
}

namespace ember::emulator {

MemoryRange global_memory;
MemoryRange static_memory;
WordState* global_words = nullptr;
std::vector<const SharedArray*> shared_arrays;

namespace {

// Red zones: at least this lies between two allocations.
constexpr size_t kRedZone = 512;
constexpr size_t kAlignment = 256;

alignas(kSharedAlignment) std::array<std::byte, kMaxSharedBytes + kSharedAlignment> dynamic_shared;

std::map<const std::byte*, size_t> allocations;
std::map<const std::byte*, size_t> freed;
size_t next_offset = kRedZone;
size_t held_bytes = 0;

template <typename T>
T* reserve(size_t bytes) {
  void* range = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) throw std::bad_alloc();
  return static_cast<T*>(range);
}

std::vector<SharedArray> find_shared_arrays() {
  std::vector<SharedArray> arrays;
  for (const Symbol& symbol : data_symbols()) {
    // _ZZ<function>E<variable>: a static local variable, of a kernel where it is aligned so.
    if (!static_memory.contains(symbol.address) || !symbol.name.starts_with("_ZZ") ||
        reinterpret_cast<uintptr_t>(symbol.address) % kSharedAlignment != 0) {
      continue;
    }
    const std::string name = demangle(symbol.name);
    arrays.push_back({name.substr(name.rfind("::") + 2), symbol.address, symbol.bytes, false});
  }
  arrays.push_back({"dynamic shared memory", dynamic_shared.data(), kMaxSharedBytes, true});
  return arrays;
}

std::vector<const SharedArray*> place_shared_arrays() {
  static const std::vector<SharedArray> arrays = find_shared_arrays();
  std::vector<const SharedArray*> places(place_of(static_memory.begin + static_memory.bytes) + 1);
  for (const SharedArray& array : arrays) {
    const size_t last = place_of(array.begin + array.bytes - 1);
    for (size_t i = place_of(array.begin); i <= last; ++i) places[i] = &array;
  }
  return places;
}

/// The entry of an ordered map that begins at or before `address`; null when there is none.
const std::pair<const std::byte* const, size_t>* entry_before(
    const std::map<const std::byte*, size_t>& blocks, const std::byte* address) {
  auto next = blocks.upper_bound(address);
  return next == blocks.begin() ? nullptr : &*std::prev(next);
}

void set_allocated(const std::byte* begin, size_t bytes, bool allocated) {
  const size_t first = global_memory.word(begin);
  for (size_t i = 0; i * kWord < bytes; ++i) {
    const size_t rest = std::min(bytes - i * kWord, kWord);
    const auto mask = static_cast<uint8_t>((1u << rest) - 1);
    global_words[first + i] = {allocated ? mask : uint8_t{0}, 0};
  }
}

}  // namespace

void reserve_memory() {
  if (global_memory.begin != nullptr) return;
  const auto with_cells = [](const std::byte* begin, size_t bytes) -> MemoryRange {
    const size_t words = bytes / kWord + 1;
    return {begin, bytes, reserve<Cell>(words * sizeof(Cell)),
            reserve<Cell>(words * kWord * sizeof(Cell))};
  };
  global_memory = with_cells(reserve<std::byte>(kGlobalBytes), kGlobalBytes);
  global_words = reserve<WordState>(kGlobalBytes / kWord);
  const auto* begin = reinterpret_cast<const std::byte*>(&__bss_start);
  const auto bytes = static_cast<size_t>(reinterpret_cast<const std::byte*>(&_end) - begin);
  static_memory = with_cells(begin, bytes);
  shared_arrays = place_shared_arrays();
}

void* allocate_global(size_t bytes) {
  reserve_memory();
  const size_t rounded = (bytes + kRedZone + kAlignment - 1) / kAlignment * kAlignment;
  if (next_offset + rounded > kGlobalBytes) return nullptr;
  auto* begin = const_cast<std::byte*>(global_memory.begin) + next_offset;
  next_offset += rounded;
  held_bytes += bytes;
  allocations.emplace(begin, bytes);
  set_allocated(begin, bytes, true);
  return begin;
}

bool free_global(void* pointer) {
  const auto found = allocations.find(static_cast<std::byte*>(pointer));
  if (found == allocations.end()) return false;
  const auto [begin, bytes] = *found;
  set_allocated(begin, bytes, false);
  constexpr uintptr_t kPage = 4096;
  const auto address = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t first = (address + kPage - 1) / kPage * kPage;
  const uintptr_t end = (address + bytes) / kPage * kPage;
  if (end > first) {  // the memory goes back, the addresses do not
    madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
    const size_t word = global_memory.word(reinterpret_cast<void*>(first));
    madvise(global_memory.cells + word, (end - first) / kWord * sizeof(Cell), MADV_DONTNEED);
    madvise(global_memory.byte_cells + word * kWord, (end - first) * sizeof(Cell), MADV_DONTNEED);
  }
  held_bytes -= bytes;
  freed.emplace(begin, bytes);
  allocations.erase(found);
  return true;
}

size_t allocated_bytes() { return held_bytes; }

void mark_written(const void* address, size_t bytes) {
  if (!global_memory.contains(address)) return;
  const auto* begin = static_cast<const std::byte*>(address);
  for (size_t i = 0; i < bytes;) {
    const size_t byte = static_cast<size_t>(begin + i - global_memory.begin) % kWord;
    WordState& word = global_words[global_memory.word(begin + i)];
    const size_t count = std::min(kWord - byte, bytes - i);
    word.written |= static_cast<uint8_t>(((1u << count) - 1) << byte) & 15u;
    i += count;
  }
}

void copy_written(const void* to, const void* from, size_t bytes) {
  if (!global_memory.contains(to) || !global_memory.contains(from)) return mark_written(to, bytes);
  const auto state_of = [](const void* address, size_t i) {
    const auto* at = static_cast<const std::byte*>(address) + i;
    return std::pair(&global_words[global_memory.word(at)],
                     1u << static_cast<size_t>(at - global_memory.begin) % kWord);
  };
  for (size_t i = 0; i < bytes; ++i) {
    const auto [source, source_bit] = state_of(from, i);
    const auto [target, target_bit] = state_of(to, i);
    const unsigned others = target->written & ~target_bit;
    target->written = (others | ((source->written & source_bit) != 0 ? target_bit : 0)) & 15u;
  }
}

bool may_copy(const void* address, size_t bytes) {
  if (!global_memory.contains(address)) return true;
  const auto* begin = static_cast<const std::byte*>(address);
  const auto* block = entry_before(allocations, begin);
  return block != nullptr && begin + bytes <= block->first + block->second;
}

bool is_constant(const void* address) {
  const auto* at = static_cast<const char*>(address);
  return at >= &__executable_start && at < &__bss_start;
}

std::string describe_global(const void* address) {
  const auto* at = static_cast<const std::byte*>(address);
  const auto* gone = entry_before(freed, at);
  const auto* live = entry_before(allocations, at);
  if (gone != nullptr && at < gone->first + gone->second) {
    return fmt::format("in an allocation of {} bytes that was freed", gone->second);
  }
  if (live == nullptr) return "before all allocations";
  const auto distance = at - (live->first + static_cast<ptrdiff_t>(live->second));
  if (distance < 0) return fmt::format("at the end of an allocation of {} bytes", live->second);
  const auto after = allocations.upper_bound(at);
  if (after != allocations.end() && after->first - at < distance) {
    return fmt::format("{} bytes before an allocation of {} bytes", after->first - at,
                       after->second);
  }
  return fmt::format("{} bytes behind an allocation of {} bytes", distance, live->second);
}

std::byte* dynamic_shared_memory() { return dynamic_shared.data(); }

}  // namespace ember::emulator
