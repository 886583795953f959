#pragma once

#include <exception>

namespace ember {

/// Ctrl-C or a signal like it. No Error: nothing is wrong, and nothing is to be mended.
class Interrupted : public std::exception {
 public:
  explicit Interrupted(int signal) : signal_(signal) {}
  int signal() const { return signal_; }
  const char* what() const noexcept override { return "interrupted"; }

 private:
  int signal_;
};

/// From now on a first SIGINT, SIGTERM or SIGHUP makes check_interrupt() throw, and a second one
/// ends the process as it always does. A signal that is ignored stays so, as `nohup` wants it.
void catch_interrupts();

/// Throws Interrupted after such a signal. Long loops call it at places where leaving is safe, so
/// that destructors take away what is half-written.
void check_interrupt();

}  // namespace ember
