#pragma once

#include <csetjmp>
#include <cstddef>
#include <memory>

/// The stacks that CUDA threads run on, and the way from one to another and back.
namespace ember::emulator {

/// A stack of its own, of kStackBytes, and where it goes on.
struct Fiber {
  std::byte* stack;
  jmp_buf position;
  bool begun = false;
};

/// One that is idle, or a new one.
std::unique_ptr<Fiber> take_fiber();
/// Keeps an idle one for the next taker: it waits in the middle of its work, or has not begun.
void keep_fiber(std::unique_ptr<Fiber> fiber);
/// Forgets what stands on the stack of a fiber that will not go on.
void begin_anew(Fiber& fiber);

/// Runs a fiber from where it is, or begins it, until it calls switch_to_scheduler. A fiber does
/// `work` again and again.
void switch_to_fiber(Fiber& fiber, void (*work)());
/// Leaves `fiber`, the running one, until it is switched to.
void switch_to_scheduler(Fiber& fiber);

}  // namespace ember::emulator
