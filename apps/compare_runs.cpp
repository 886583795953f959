#include <CLI/CLI.hpp>

#include "apps/options.h"
#include "apps/program.h"
#include "apps/report/side_by_side.h"
#include "tensor/atomic_file.h"

namespace ember {
namespace {

void compare(const std::vector<std::filesystem::path>& folders,
             const std::filesystem::path& output) {
  std::vector<FinishedRun> runs;
  for (const std::filesystem::path& folder : folders) runs.push_back(read_run(folder));
  AtomicFile file(output);
  file.write(side_by_side_html(runs));
  file.commit();
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  CLI::App app("Lays runs side by side on one page.", "compare_runs");
  std::vector<std::filesystem::path> folders;
  std::filesystem::path output;
  app.add_option("RUN", folders, "Folders of runs that have ended")
      ->type_name("")
      ->required()
      ->check(ember::not_empty());
  app.add_option("--output", output, "The page to write, such as side_by_side.html")
      ->required()
      ->type_name("FILE")
      ->check(ember::not_empty());
  return ember::run_program(app, argc, argv, [&] { ember::compare(folders, output); });
}
