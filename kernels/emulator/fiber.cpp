// Switching costs two jumps: `_setjmp` and `_longjmp` keep the signal mask out of it, which makes
// them four times cheaper than `swapcontext`.
#undef _FORTIFY_SOURCE  // its longjmp refuses to jump to another stack

#include "kernels/emulator/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <new>
#include <utility>
#include <vector>

#include "kernels/emulator/machine.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace ember::emulator {
namespace {

constexpr size_t kGuardBytes = 4096;

jmp_buf scheduler;
std::vector<std::unique_ptr<Fiber>> idle_fibers;
void (*fiber_work)() = nullptr;

// What the address sanitizer is told about switching stacks.
#ifdef __SANITIZE_ADDRESS__
void leave_for_fiber(void** fake_stack, const Fiber& fiber) {
  __sanitizer_start_switch_fiber(fake_stack, fiber.stack, kStackBytes);
}
const void* scheduler_stack = nullptr;
size_t scheduler_stack_bytes = 0;
void leave_for_scheduler(void** fake_stack) {
  __sanitizer_start_switch_fiber(fake_stack, scheduler_stack, scheduler_stack_bytes);
}
void arrive_on_fiber(void* fake_stack) {
  __sanitizer_finish_switch_fiber(fake_stack, &scheduler_stack, &scheduler_stack_bytes);
}
void arrive_in_scheduler(void* fake_stack) {
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
}
/// A thread that was stopped has left its frames behind.
void clear_stack(const Fiber& fiber) { __asan_unpoison_memory_region(fiber.stack, kStackBytes); }
#else
void leave_for_fiber(void**, const Fiber&) {}
void leave_for_scheduler(void**) {}
void arrive_on_fiber(void*) {}
void arrive_in_scheduler(void*) {}
void clear_stack(const Fiber&) {}
#endif

void fiber_main() {
  arrive_on_fiber(nullptr);
  for (;;) fiber_work();
}

}  // namespace

std::unique_ptr<Fiber> take_fiber() {
  if (!idle_fibers.empty()) {
    auto fiber = std::move(idle_fibers.back());
    idle_fibers.pop_back();
    return fiber;
  }
  void* stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED) throw std::bad_alloc();
  mprotect(stack, kGuardBytes, PROT_NONE);  // below, where an overflow goes
  auto fiber = std::make_unique<Fiber>();
  fiber->stack = static_cast<std::byte*>(stack);
  return fiber;
}

void keep_fiber(std::unique_ptr<Fiber> fiber) { idle_fibers.push_back(std::move(fiber)); }

void begin_anew(Fiber& fiber) {
  fiber.begun = false;
  clear_stack(fiber);
}

void switch_to_fiber(Fiber& fiber, void (*work)()) {
  void* fake_stack = nullptr;
  if (_setjmp(scheduler) == 0) {
    leave_for_fiber(&fake_stack, fiber);
    if (fiber.begun) _longjmp(fiber.position, 1);
    fiber.begun = true;
    fiber_work = work;
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = fiber.stack;
    context.uc_stack.ss_size = kStackBytes;
    context.uc_link = nullptr;
    makecontext(&context, fiber_main, 0);
    setcontext(&context);
  }
  arrive_in_scheduler(fake_stack);
}

void switch_to_scheduler(Fiber& fiber) {
  void* fake_stack = nullptr;
  if (_setjmp(fiber.position) == 0) {
    leave_for_scheduler(&fake_stack);
    _longjmp(scheduler, 1);
  }
  arrive_on_fiber(fake_stack);
}

}  // namespace ember::emulator
