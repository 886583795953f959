#pragma once

// nvcc reads {fmt} as the other compilers do only when asked to.
#define FMT_USE_CONSTEXPR 1
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace ember {

/// What went wrong, as the exit code a program ends with (the values of BSD's sysexits.h).
enum class ExitCode {
  usage = 64,          ///< an option is unknown or makes no sense
  data = 65,           ///< a file's content is wrong
  no_input = 66,       ///< a file or folder is missing
  unavailable = 69,    ///< no such device
  internal = 70,       ///< a bug in Ember, or an operation called with shapes that do not fit
  cannot_create = 73,  ///< an output file or folder cannot be made
  io = 74,             ///< a read or write failed half-way
};

/// The one exception of Ember. The message is one line that names the file, argument or operation,
/// and says what to do.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// Throws an Error with a formatted message: `fail(ExitCode::data, "{}: no <filename>", path)`.
template <typename... Args>
[[noreturn]] void fail(ExitCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ember

/// Checks what a caller promised; on failure throws an Error with the expression, its place and a
/// formatted reason.
#define EMBER_REQUIRE(condition, ...)                                                        \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      ::ember::fail(::ember::ExitCode::internal, "{} ({}, {}:{})", fmt::format(__VA_ARGS__), \
                    #condition, __FILE__, __LINE__);                                         \
    }                                                                                        \
  } while (false)
