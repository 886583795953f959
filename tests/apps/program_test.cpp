#include "apps/program.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensor/error.h"

namespace ember {
namespace {

struct Outcome {
  int code;
  std::string errors;
};

// Runs a program of one option, `--number N`, and reads what it says on stderr.
Outcome run(std::vector<const char*> arguments, const std::function<void()>& body) {
  std::FILE* capture = std::tmpfile();
  std::fflush(stderr);
  const int saved = dup(STDERR_FILENO);
  dup2(fileno(capture), STDERR_FILENO);

  CLI::App app("Counts.", "count");
  int number = 0;
  app.add_option("--number", number, "What to count to");
  arguments.insert(arguments.begin(), "count");
  const int code = run_program(app, static_cast<int>(arguments.size()), arguments.data(), body);

  std::fflush(stderr);
  dup2(saved, STDERR_FILENO);
  close(saved);
  std::rewind(capture);
  std::string errors;
  for (int c = std::fgetc(capture); c != EOF; c = std::fgetc(capture)) {
    errors.push_back(static_cast<char>(c));
  }
  std::fclose(capture);
  return {code, errors};
}

}  // namespace

TEST_CASE("a program that goes well exits with 0 and says nothing") {
  bool ran = false;
  const Outcome outcome = run({"--number", "3"}, [&] { ran = true; });
  CHECK(ran);
  CHECK(outcome.code == 0);
  CHECK(outcome.errors.empty());
}

TEST_CASE("wrong options exit with 64 and one line, and nothing runs") {
  bool ran = false;
  for (const auto& arguments : std::vector<std::vector<const char*>>{
           {"--numbre", "3"}, {"--number"}, {"--number", "three"}, {"stray"}}) {
    const Outcome outcome = run(arguments, [&] { ran = true; });
    CHECK(outcome.code == 64);
    CHECK(outcome.errors.starts_with("error: "));
    CHECK(outcome.errors.ends_with("(see count --help)\n"));
    CHECK(outcome.errors.find('\n') == outcome.errors.size() - 1);
  }
  CHECK_FALSE(ran);
}

TEST_CASE("an Error brings its own exit code, anything else 70") {
  const Outcome missing = run({}, [] { fail(ExitCode::no_input, "photos: no such folder"); });
  CHECK(missing.code == 66);
  CHECK(missing.errors == "error: photos: no such folder\n");

  const Outcome bug = run({}, [] { throw std::logic_error("two\nlines\n"); });
  CHECK(bug.code == 70);
  CHECK(bug.errors == "error: two lines\n");

  CHECK(run({}, [] { throw std::bad_alloc(); }).code == 70);
}

}  // namespace ember
