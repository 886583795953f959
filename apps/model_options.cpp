#include "apps/model_options.h"

#include <fmt/format.h>

#include "apps/option_group.h"
#include "tensor/error.h"

namespace ember {

void add_model_options(CLI::App& app, std::string& model, double& width) {
  OptionGroup group(app, "Model");
  std::string about;
  for (const Architecture& known : architectures()) {
    about += fmt::format("{}{}: {}", about.empty() ? "" : "; ", known.name, known.about);
  }
  group.add_choice("--model", model, architecture_names(), about);
  group
      .add_number("--width", "FACTOR", width, number(0.1, 4),
                  "Of its channels, where they can be scaled: mobilenet_v2 is known at 0.35, 0.5, "
                  "0.75 and 1")
      ->default_str("1");
}

void add_weights_option(CLI::App& app, std::filesystem::path& weights) {
  OptionGroup(app)
      .add_path("--weights", "FILE", weights, "Weights file, such as best.safetensors")
      ->required();
}

const Architecture& architecture_for(const std::string& model, double width, int64_t image_size) {
  const Architecture& network = architecture(model);
  if (!network.takes(image_size)) {
    fail(ExitCode::usage, "--image-size {}: {} takes {}", image_size, network.name,
         network.sides());
  }
  if (!network.has_width && width != 0 && width != 1) {
    fail(ExitCode::usage, "--width {}: {} has no width; leave --width out", width, network.name);
  }
  return network;
}

}  // namespace ember
