// What the compiler calls before each access of a kernel: the entry points of GCC's thread and
// bounds sanitizers, whose own libraries are not linked. In the asan preset the kernels are
// compiled without these hooks, and the address sanitizer watches them instead.
#include "kernels/emulator/hooks.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "kernels/emulator/checker.h"
#include "kernels/emulator/counters.h"
#include "kernels/emulator/machine.h"
#include "kernels/emulator/report.h"
#include "kernels/emulator/symbols.h"

// NOLINTBEGIN(bugprone-*,google-*,readability-*): the names are GCC's

namespace ember::emulator {

Watch watch = Watch::faults;

void set_watch(Watch next) { watch = next; }

bool has_hooks() {
#ifdef __SANITIZE_ADDRESS__
  return false;
#else
  return true;
#endif
}

void atomic_access(const void* address, size_t bytes, const void* return_address) {
  if (!has_hooks()) return;
  const Site site = site_of(return_address);
  if (watch == Watch::faults) check_atomic(address, bytes, site);
  if (watch == Watch::counters) count_access(address, bytes, AccessKind::atomic, site);
}

}  // namespace ember::emulator

#ifndef __SANITIZE_ADDRESS__

namespace {

using namespace ember::emulator;

/// Local variables are a thread's own: only what lies elsewhere is looked at.
inline void on_access(const void* address, size_t bytes, bool writes, const void* return_address) {
  if (current == nullptr || watch == Watch::nothing) return;
  if (static_cast<size_t>(static_cast<const std::byte*>(address) - current_stack) < kStackBytes) {
    return;
  }
  const Site site = site_of(return_address);
  if (watch == Watch::faults) {
    check_access(address, bytes, writes, site);
  } else {
    count_access(address, bytes, writes ? AccessKind::store : AccessKind::load, site);
  }
}

/// The layout of -fsanitize=bounds' description of an array access (GCC's ubsan).
struct OutOfBounds {
  const char* file;
  uint32_t line;
  uint32_t column;
  const struct {
    uint16_t kind;
    uint16_t info;
    char name[1];
  } * array;
  const void* index;
};

[[noreturn]] void out_of_bounds(const OutOfBounds& data, const void* index) {
  const auto value = reinterpret_cast<intptr_t>(index);  // read as signed: -1 is a likely mistake
  const std::string text =
      fmt::format("out of bounds: index {} of an array of type {} ({}:{})", value, data.array->name,
                  last_two_parts(data.file), data.line);
  if (current != nullptr) stop(describe_index(text));
  std::fprintf(stderr, "error: %s\n", text.c_str());
  std::abort();
}

}  // namespace

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define EMBER_HOOK(name, bytes, writes)                             \
  void __tsan_##name(void* address) {                               \
    on_access(address, bytes, writes, __builtin_return_address(0)); \
  }
#define EMBER_HOOKS(bytes)                        \
  EMBER_HOOK(read##bytes, bytes, false)           \
  EMBER_HOOK(write##bytes, bytes, true)           \
  EMBER_HOOK(unaligned_read##bytes, bytes, false) \
  EMBER_HOOK(unaligned_write##bytes, bytes, true) \
  EMBER_HOOK(volatile_read##bytes, bytes, false)  \
  EMBER_HOOK(volatile_write##bytes, bytes, true)
EMBER_HOOKS(1)
EMBER_HOOKS(2)
EMBER_HOOKS(4)
EMBER_HOOKS(8)
EMBER_HOOKS(16)
#undef EMBER_HOOKS
#undef EMBER_HOOK

void __tsan_read_range(void* address, unsigned long bytes) {
  on_access(address, bytes, false, __builtin_return_address(0));
}
void __tsan_write_range(void* address, unsigned long bytes) {
  on_access(address, bytes, true, __builtin_return_address(0));
}

// Atomic operations of host code (std::shared_ptr's counts): done, not looked at. Kernels have
// CUDA's own.
#define EMBER_ATOMICS(bits, type)                                                           \
  type __tsan_atomic##bits##_load(const volatile type* address, int) {                      \
    return __atomic_load_n(address, __ATOMIC_SEQ_CST);                                      \
  }                                                                                         \
  void __tsan_atomic##bits##_store(volatile type* address, type value, int) {               \
    __atomic_store_n(address, value, __ATOMIC_SEQ_CST);                                     \
  }                                                                                         \
  type __tsan_atomic##bits##_exchange(volatile type* address, type value, int) {            \
    return __atomic_exchange_n(address, value, __ATOMIC_SEQ_CST);                           \
  }                                                                                         \
  type __tsan_atomic##bits##_fetch_add(volatile type* address, type value, int) {           \
    return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST);                            \
  }                                                                                         \
  type __tsan_atomic##bits##_fetch_sub(volatile type* address, type value, int) {           \
    return __atomic_fetch_sub(address, value, __ATOMIC_SEQ_CST);                            \
  }                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile type* address, type* expected, \
                                                    type value, int, int) {                 \
    return __atomic_compare_exchange_n(address, expected, value, false, __ATOMIC_SEQ_CST,   \
                                       __ATOMIC_SEQ_CST);                                   \
  }                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile type* address, type* expected,   \
                                                  type value, int, int) {                   \
    return __atomic_compare_exchange_n(address, expected, value, true, __ATOMIC_SEQ_CST,    \
                                       __ATOMIC_SEQ_CST);                                   \
  }
EMBER_ATOMICS(8, uint8_t)
EMBER_ATOMICS(32, uint32_t)
EMBER_ATOMICS(64, uint64_t)
#undef EMBER_ATOMICS
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

void __ubsan_handle_out_of_bounds(void* data, void* index) {
  out_of_bounds(*static_cast<const OutOfBounds*>(data), index);
}
void __ubsan_handle_out_of_bounds_abort(void* data, void* index) {
  out_of_bounds(*static_cast<const OutOfBounds*>(data), index);
}

}  // extern "C"

#endif

// NOLINTEND(bugprone-*,google-*,readability-*)
