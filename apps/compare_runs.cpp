#include <CLI/CLI.hpp>

#include "apps/option_group.h"
#include "apps/program.h"
#include "apps/report/side_by_side.h"
#include "tensor/atomic_file.h"

namespace ember {
namespace {

void compare(const std::vector<std::filesystem::path>& folders,
             const std::filesystem::path& output) {
  std::vector<FinishedRun> runs;
  runs.reserve(folders.size());
  for (const std::filesystem::path& folder : folders) runs.push_back(read_run(folder));
  write_file(output, side_by_side_html(runs));
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  CLI::App app("Lays runs side by side on one page.", "compare_runs");
  std::vector<std::filesystem::path> folders;
  std::filesystem::path output;
  ember::OptionGroup group(app);
  group.add_path("RUN", "", folders, "Folders of runs that have ended")->required();
  group.add_path("--output", "FILE", output, "The page to write, such as side_by_side.html")
      ->required();
  return ember::run_program(app, argc, argv, [&] { ember::compare(folders, output); });
}
