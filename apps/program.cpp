#include "apps/program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <sstream>

#include "tensor/error.h"
#include "tensor/interrupt.h"

namespace ember {
namespace {

/// --help with each option's default, and descriptions that wrap.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    return CLI::detail::find_and_replace(CLI::Formatter::make_help(app, std::move(name), mode),
                                         "\n\n\n", "\n\n");
  }

  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    constexpr size_t kDescription = 26;
    constexpr size_t kWidth = 100;
    const std::string type = option->get_type_size() == 0 ? "" : option->get_type_name();
    const std::string name = fmt::format("  {}{}{}", make_option_name(option, is_positional),
                                         type.empty() ? "" : " ", type);
    const std::string value = option->get_default_str();
    std::istringstream words(value.empty()
                                 ? option->get_description()
                                 : option->get_description() + " (default: " + value + ")");
    std::string text = fmt::format("{:<{}}", name, kDescription);
    size_t column = text.size();
    if (name.size() + 2 > kDescription) column = kWidth;  // the description begins a line
    for (std::string word; words >> word;) {
      if (column + 1 + word.size() > kWidth) {
        text += "\n" + std::string(kDescription, ' ');
        column = kDescription;
      }
      text += " " + word;
      column += 1 + word.size();
    }
    return text + "\n";
  }
};

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

int report(ExitCode code, const std::string& message) {
  std::fflush(stdout);
  fmt::print(stderr, "error: {}\n", one_line(message));
  return static_cast<int>(code);
}

}  // namespace

void flush_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    fail(ExitCode::io, "cannot write to standard output: {}", std::strerror(errno));
  }
}

int run_program(CLI::App& app, int argc, const char* const* argv,
                const std::function<void()>& body) {
  try {
    app.formatter(std::make_shared<HelpFormatter>());
    app.set_version_flag("--version", fmt::format("{} {}", app.get_name(), EMBER_VERSION),
                         "Print the version and exit");
    app.parse(argc, argv);
    catch_interrupts();
    body();
    flush_output();
    return 0;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help and --version
    return report(ExitCode::usage,
                  fmt::format("{} (see {} --help)", one_line(error.what()), app.get_name()));
  } catch (const Error& error) {
    return report(error.code(), error.what());
  } catch (const Interrupted& interrupted) {
    std::fflush(stdout);
    std::signal(interrupted.signal(), SIG_DFL);
    std::raise(interrupted.signal());  // so that a shell sees what ended the program
    return 128 + interrupted.signal();
  } catch (const std::bad_alloc&) {
    return report(ExitCode::internal, "not enough memory; smaller images or batches need less");
  } catch (const std::exception& error) {
    return report(ExitCode::internal, error.what());
  }
}

std::string command_line(int argc, const char* const* argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || std::strchr("-_./=:,+@%", c) != nullptr;
    });
    line += i == 0 ? "" : " ";
    line += plain ? word : "'" + CLI::detail::find_and_replace(word, "'", "'\\''") + "'";
  }
  return line;
}

void warn(const std::string& message) { fmt::print(stderr, "warning: {}\n", one_line(message)); }

}  // namespace ember
