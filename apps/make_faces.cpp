#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "apps/option_group.h"
#include "apps/program.h"
#include "data/faces.h"

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  int64_t count = 300;
  int64_t seed = 1;
  std::filesystem::path output_dir;
  CLI::App app("Draw photos of people with masks, without, and with masks worn wrong.",
               "make_faces");
  ember::OptionGroup group(app);
  group.add_number("--count", "N", count, ember::whole_number(1, 1'000'000), "Number of photos");
  group.add_number("--seed", "N", seed, ember::whole_number(0, INT64_MAX),
                   "Another seed draws other photos");
  group
      .add_path("--output-dir", "DIR", output_dir,
                "New or empty folder, filled in PASCAL VOC layout")
      ->required();
  return ember::run_program(app, argc, argv, [&] {
    ember::write_face_photos(output_dir, count, static_cast<uint64_t>(seed));
    fmt::print("{} photos drawn in {}\n", count, output_dir.string());
  });
}
