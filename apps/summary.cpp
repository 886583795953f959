#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "apps/model_options.h"
#include "apps/option_group.h"
#include "apps/program.h"
#include "nn/model_file.h"
#include "tensor/error.h"

namespace ember {
namespace {

struct SummaryOptions {
  ModelDescription model{.architecture = "", .classes = {}, .image_size = 128};
  int64_t classes = 3;
  std::filesystem::path weights;
};

void print_summary(SummaryOptions options) {
  ModelDescription& model = options.model;
  if (options.weights.empty()) {
    const Architecture& network =
        architecture_for(model.architecture, model.width_multiplier, model.image_size);
    if (options.classes == 0 && !network.has_base) {
      fail(ExitCode::usage, "--classes 0: {} is nothing without its classes", network.name);
    }
    model.classes.resize(static_cast<size_t>(options.classes));
  } else {
    model = read_model_file(options.weights).description;
  }
  const Model built = build_model(model);
  fmt::print("{}", format_summary(built.name(), built.summary()));
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  CLI::App app("Prints the layer table of a network.", "summary");
  ember::SummaryOptions options;
  ember::add_model_options(app, options.model.architecture, options.model.width_multiplier);
  ember::OptionGroup group(app, "Model");
  group.add_number("--image-size", "PIXELS", options.model.image_size,
                   ember::whole_number(1, ember::kLargestSide), "Side of its images");
  group.add_number("--classes", "N", options.classes, ember::whole_number(0, 1'000'000),
                   "How many classes it tells apart; 0: the base alone");
  CLI::Option* weights =
      group.add_path("--weights", "FILE", options.weights, "The network of a weights file instead");
  for (const char* name : {"--model", "--width", "--image-size", "--classes"}) {
    weights->excludes(app.get_option(name));
  }
  return ember::run_program(app, argc, argv, [&] {
    if (options.weights.empty() && options.model.architecture.empty()) {
      ember::fail(ember::ExitCode::usage, "give --model {} or --weights FILE",
                  fmt::join(ember::architecture_names(), "|"));
    }
    ember::print_summary(options);
  });
}
