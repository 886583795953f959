#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "apps/options.h"
#include "apps/program.h"
#include "data/faces.h"

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  int64_t count = 300;
  int64_t seed = 1;
  std::filesystem::path output_dir;
  CLI::App app("Draw photos of people with masks, without, and with masks worn wrong.",
               "make_faces");
  app.add_option("--count", count, "Number of photos")
      ->type_name("N")
      ->capture_default_str()
      ->check(ember::whole_number(1, 1'000'000));
  app.add_option("--seed", seed, "Another seed draws other photos")
      ->type_name("N")
      ->capture_default_str()
      ->check(ember::whole_number(0, INT64_MAX));
  app.add_option("--output-dir", output_dir, "New or empty folder, filled in PASCAL VOC layout")
      ->type_name("DIR")
      ->check(ember::not_empty())
      ->required();
  return ember::run_program(app, argc, argv, [&] {
    ember::write_face_photos(output_dir, count, static_cast<uint64_t>(seed));
    fmt::print("{} photos drawn in {}\n", count, output_dir.string());
  });
}
