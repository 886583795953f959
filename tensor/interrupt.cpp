#include "tensor/interrupt.h"

#include <atomic>
#include <csignal>
#include <initializer_list>

namespace ember {
namespace {

std::atomic<int> caught = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not wait");

void note(int signal) { caught = signal; }

}  // namespace

void catch_interrupts() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler == SIG_IGN) continue;
    struct sigaction once {};
    once.sa_handler = note;
    once.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
    sigemptyset(&once.sa_mask);
    sigaction(signal, &once, nullptr);
  }
}

void check_interrupt() {
  if (const int signal = caught; signal != 0) throw Interrupted(signal);
}

}  // namespace ember
