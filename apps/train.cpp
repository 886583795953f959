#include <CLI/CLI.hpp>

#include "apps/program.h"
#include "apps/train_network.h"
#include "apps/training_options.h"

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  CLI::App app(
      "Trains all layers of a network on photos, from random weights or from those of a file.",
      "train");
  ember::TrainingOptions options;
  options.command = ember::command_line(argc, argv);
  ember::add_network_options(app, options);
  return ember::run_program(app, argc, argv,
                            [&] { ember::train_network(options, "train", "train"); });
}
