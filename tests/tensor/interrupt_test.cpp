#include "tensor/interrupt.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <initializer_list>

namespace ember {
namespace {

/// In a process of its own: whether check_interrupt() throws after `signal`, `disposition` being
/// what the process had for it before.
bool throws_after(int signal, void (*disposition)(int)) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(signal, disposition);
    catch_interrupts();
    std::raise(signal);
    try {
      check_interrupt();
    } catch (const Interrupted& interrupted) {
      _exit(interrupted.signal() == signal ? 1 : 2);
    }
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) < 2);
  return WEXITSTATUS(status) == 1;
}

}  // namespace

TEST_CASE("an interrupt becomes an exception at the next check") {
  CHECK_NOTHROW(check_interrupt());
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    CAPTURE(signal);
    CHECK(throws_after(signal, SIG_DFL));
    CHECK_FALSE(throws_after(signal, SIG_IGN));
  }
}

}  // namespace ember
