// What one training step asks of a GPU, counted on the emulated one and read from the compiler:
// nothing here is a time that somebody measured. docs/performance.md explains the columns.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/program.h"
#include "bench/kernel_report/json.h"
#include "bench/kernel_report/text.h"
#include "tensor/atomic_file.h"

namespace {

std::vector<std::string> card_options() {
  std::vector<std::string> options(ember::kCards.size());
  std::transform(ember::kCards.begin(), ember::kCards.end(), options.begin(),
                 [](const ember::Card& card) { return card.option; });
  return options;
}

}  // namespace

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  using namespace ember;
  StepOptions options;
  std::string card = options.card.option;
  std::string json;
  bool layers = false;

  CLI::App app("Counts what the kernels of a training step do, on the emulated GPU.",
               "kernel_report");
  app.add_option("--model", options.model, "mobilenet_v2 or baseline_cnn")
      ->check(CLI::IsMember({"mobilenet_v2", "baseline_cnn"}))
      ->capture_default_str();
  app.add_flag("--frozen", options.frozen, "Train the head of mobilenet_v2 alone");
  app.add_option("--image-size", options.image_size, "Pixels a side")
      ->check(CLI::Range(32, 224))
      ->capture_default_str();
  app.add_option("--batch", options.batch,
                 "Images; 32 take a minute or two, 2 take seconds, with smaller tiles and grids")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--card", card, "Whose memory bandwidth the floors are for")
      ->check(CLI::IsMember(card_options()))
      ->capture_default_str();
  app.add_flag("--layers", layers, "Only the operations and fewest bytes of each layer");
  app.add_option("--json", json, "Write the report into this file, too")->excludes("--layers");
  return run_program(app, argc, argv, [&] {
    if (options.frozen && options.model != "mobilenet_v2") {
      fail(ExitCode::usage, "--frozen trains the head of mobilenet_v2; {} has none", options.model);
    }
    options.card = *std::find_if(kCards.begin(), kCards.end(),
                                 [&](const Card& known) { return card == known.option; });
    if (layers) {
      fmt::print("{}", text_of(layers_of(options), options.batch));
      return;
    }
    if (!emulator::has_hooks()) {
      fail(ExitCode::unavailable,
           "the kernels of this build are not counted, for the address sanitizer watches them; use "
           "the default preset");
    }
    const CompiledKernels compiled = read_compiled_kernels(EMBER_KERNEL_RESOURCES);
    const StepReport report = report_step(options, compiled);
    fmt::print("{}", text_of(report));
    if (compiled.empty()) {
      fmt::print(
          "Registers, local memory and occupancy need nvcc: build the target "
          "kernel_resources.\n");
    }
    if (!json.empty()) write_file(json, json_of(report).dump(1) + "\n");
  });
}
