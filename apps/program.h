#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>

namespace ember {

/// The main function of every program: parses the arguments, runs `body`, and returns the exit
/// code. Whatever goes wrong becomes one line `error: ...` on stderr: an option that is unknown or
/// makes no sense exits with 64, an ember::Error with its own code, anything else with 70.
/// Ctrl-C unwinds the stack before it ends the program (tensor/interrupt.h).
int run_program(CLI::App& app, int argc, const char* const* argv,
                const std::function<void()>& body);

/// Lets what was printed be seen. Throws Error(io) when it cannot be written.
void flush_output();

/// The command line as a shell takes it.
std::string command_line(int argc, const char* const* argv);

/// Prints one line `warning: ...` on stderr.
void warn(const std::string& message);

}  // namespace ember
