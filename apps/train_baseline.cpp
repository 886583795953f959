#include <CLI/CLI.hpp>

#include "apps/program.h"
#include "apps/train_network.h"
#include "apps/training_options.h"

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  CLI::App app("Trains the study's small convolutional network on photos, from random weights.",
               "train_baseline");
  ember::TrainingOptions options;
  options.command = ember::command_line(argc, argv);
  ember::add_baseline_options(app, options);
  return ember::run_program(app, argc, argv,
                            [&] { ember::train_network(options, "train_baseline", "baseline"); });
}
