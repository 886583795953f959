#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// The emulated card's memory, and what the checker keeps beside each of its words.
///
/// Global memory is one reserved range of addresses, shared memory the program's own static data
/// (where `__shared__` puts it, see device_code.h). Behind each 4-byte word stands a cell that is
/// found by arithmetic alone. Both ranges are reserved, and touched only where they are used.
namespace ember::emulator {

/// Who touched a word, and when.
struct Access {
  uint32_t block;  ///< serial number; 0 for nobody
  uint32_t site;   ///< Site
  uint16_t thread;
  uint16_t barrier;  ///< the block's __syncthreads so far
  uint16_t warp;     ///< the warp's __syncwarps so far
  uint16_t flags : 5;
  uint16_t fences : 11;  ///< of the thread in this barrier epoch, before this access
};
inline constexpr uint16_t kAtomic = 1;
/// Of readers, since only the last one is kept: lanes of its warp, warps of its block in this
/// barrier epoch, and blocks of the launch have read as well.
inline constexpr uint16_t kManyLanes = 2;
inline constexpr uint16_t kManyWarps = 4;
inline constexpr uint16_t kManyBlocks = 8;
/// Of a word whose parts have been accessed: its four bytes have cells of their own.
inline constexpr uint16_t kSplit = 16;

struct Cell {
  Access write;
  Access read;
};

/// Global memory: which bytes of a word are allocated, and which have ever been written.
struct WordState {
  uint8_t allocated : 4;
  uint8_t written : 4;
};

inline constexpr size_t kWord = 4;
inline constexpr size_t kSharedAlignment = 65536;         ///< of shared arrays, see device_code.h
inline constexpr size_t kGlobalBytes = size_t{64} << 30;  ///< of address space

struct MemoryRange {
  const std::byte* begin = nullptr;
  size_t bytes = 0;
  Cell* cells = nullptr;       ///< of each word
  Cell* byte_cells = nullptr;  ///< of each byte, where its word is split

  bool contains(const void* address) const {
    return static_cast<size_t>(static_cast<const std::byte*>(address) - begin) < bytes;
  }
  size_t word(const void* address) const {
    return static_cast<size_t>(static_cast<const std::byte*>(address) - begin) / kWord;
  }
};
extern MemoryRange global_memory;
extern MemoryRange static_memory;  ///< the program's zero-initialised data
extern WordState* global_words;

/// Reserves both ranges, once.
void reserve_memory();

/// Null when the address space is used up. Freed addresses are never handed out again, so that a
/// use after free is seen.
void* allocate_global(size_t bytes);
/// False when this is no allocation.
bool free_global(void* pointer);
size_t allocated_bytes();

/// The host has written these bytes.
void mark_written(const void* address, size_t bytes);
/// The bytes have been copied: what had never been written in the source has not been here.
void copy_written(const void* to, const void* from, size_t bytes);
/// Whether the bytes lie within one allocation (or not in global memory at all).
bool may_copy(const void* address, size_t bytes);

/// Whether this is constant data of the program, which kernels may read.
bool is_constant(const void* address);

/// "12 bytes behind an allocation of 400 bytes", for a report.
std::string describe_global(const void* address);

/// A shared array: a static local variable of a kernel, or the dynamic shared memory.
struct SharedArray {
  std::string name;
  const std::byte* begin;
  size_t bytes;
  bool dynamic = false;  ///< of as many bytes as the launch asks for
};
/// By the place of their first address among the multiples of kSharedAlignment in static memory.
extern std::vector<const SharedArray*> shared_arrays;
inline size_t place_of(const void* address) {
  return reinterpret_cast<uintptr_t>(address) / kSharedAlignment -
         reinterpret_cast<uintptr_t>(static_memory.begin) / kSharedAlignment;
}
/// The array that `address`, in static memory, lies in or behind; null where it is other data.
inline const SharedArray* find_shared_array(const void* address) {
  return shared_arrays[place_of(address)];
}

}  // namespace ember::emulator
