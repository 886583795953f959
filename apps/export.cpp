#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <climits>
#include <filesystem>
#include <string>

#include "apps/model_options.h"
#include "apps/onnx/model.h"
#include "apps/option_group.h"
#include "apps/program.h"
#include "apps/weights.h"
#include "nn/model_file.h"
#include "tensor/atomic_file.h"
#include "tensor/error.h"

namespace ember {
namespace {

struct ExportOptions {
  std::filesystem::path weights;
  std::filesystem::path output;
  std::string batch_norm = "fold";
};

void export_model(const ExportOptions& options) {
  const std::string output = options.output.string();
  if (options.output.extension() != ".onnx") {
    fail(ExitCode::usage, "{}: the output is an .onnx file, name it so", output);
  }
  const ModelFile file = read_weights(options.weights);
  const onnx::ModelProto exported =
      onnx_model(load_model(file), file.description,
                 options.batch_norm == "fold" ? BatchNormForm::folded : BatchNormForm::kept);
  const size_t bytes = exported.ByteSizeLong();
  if (bytes > INT_MAX) {
    fail(ExitCode::data, "{}: an ONNX file holds 2 GiB at most, and this one would have {} bytes",
         output, bytes);
  }
  write_file(options.output, exported.SerializeAsString());
  fmt::print("{}: {} nodes, {} tensors, {:.1f} MB\n", output, exported.graph().node_size(),
             exported.graph().initializer_size(), static_cast<double>(bytes) / 1e6);
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  CLI::App app("Writes a network and its weights in the ONNX format, for other runtimes.",
               "export");
  ember::ExportOptions options;
  ember::OptionGroup group(app);
  group.add_path("OUTPUT", "", options.output, "File to write, named .onnx")->required();
  ember::add_weights_option(app, options.weights);
  group.add_choice("--batch-norm", options.batch_norm, {"fold", "keep"},
                   "fold: make BatchNorm part of the convolutions; keep: leave it as it is, so "
                   "that weights/convert_onnx gives the same weights back");
  return ember::run_program(app, argc, argv, [&] { ember::export_model(options); });
}
