#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <filesystem>
#include <string>

#include "nn/architectures.h"

/// What network a program is to work with.
namespace ember {

/// Declares --model and --width.
void add_model_options(CLI::App& app, std::string& model, double& width);

/// Declares --weights, which a program cannot do without.
void add_weights_option(CLI::App& app, std::filesystem::path& weights);

/// The architecture of --model. Throws Error(usage) when it knows no --width, 0 being none, or
/// takes no images of this --image-size.
const Architecture& architecture_for(const std::string& model, double width, int64_t image_size);

}  // namespace ember
