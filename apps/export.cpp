#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <climits>
#include <filesystem>
#include <string>

#include "apps/onnx/model.h"
#include "apps/options.h"
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
  const ModelDescription& description = file.description;
  if (!architecture(description.architecture).takes(description.image_size)) {
    fail(ExitCode::data, "{}: its image_size {} does not fit {}; convert the weights anew",
         file.path.string(), description.image_size, description.architecture);
  }
  Model model = build_model(description);
  load_weights(model, file);
  const onnx::ModelProto exported =
      onnx_model(model, description,
                 options.batch_norm == "fold" ? BatchNormForm::folded : BatchNormForm::kept);
  const size_t bytes = exported.ByteSizeLong();
  if (bytes > INT_MAX) {
    fail(ExitCode::data, "{}: an ONNX file holds 2 GiB at most, and this one would have {} bytes",
         output, bytes);
  }
  AtomicFile to(options.output);
  to.write(exported.SerializeAsString());
  to.commit();
  fmt::print("{}: {} nodes, {} tensors, {:.1f} MB\n", output, exported.graph().node_size(),
             exported.graph().initializer_size(), static_cast<double>(bytes) / 1e6);
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  CLI::App app("Writes a network and its weights in the ONNX format, for other runtimes.",
               "export");
  ember::ExportOptions options;
  app.add_option("OUTPUT", options.output, "File to write, named .onnx")
      ->type_name("")
      ->required()
      ->check(ember::not_empty());
  app.add_option("--weights", options.weights, "Weights file, such as best.safetensors")
      ->required()
      ->type_name("FILE")
      ->check(ember::not_empty());
  app.add_option("--batch-norm", options.batch_norm,
                 "fold: make BatchNorm part of the convolutions; keep: leave it as it is, so that "
                 "weights/convert_onnx gives the same weights back")
      ->type_name("fold|keep")
      ->capture_default_str()
      ->check(ember::one_of({"fold", "keep"}));
  return ember::run_program(app, argc, argv, [&] { ember::export_model(options); });
}
