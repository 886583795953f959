#pragma once

#include <filesystem>
#include <string>

#include "apps/training_options.h"
#include "nn/model_file.h"

/// What the programs ask of a weights file beyond its being one.
namespace ember {

/// Reads a weights file. Throws as read_model_file, and Error(data) when the file lists classes
/// that are none or holds a value that is not a number, naming the tensors.
ModelFile read_weights(const std::filesystem::path& path);

/// Reads weights to begin with. Throws Error(no_input) that says how to get them when there is no
/// such file, and Error(data) when they belong to another architecture.
ModelFile read_initial_weights(const std::filesystem::path& path, const std::string& architecture);

/// Takes over what the weights say and the user left open: the scale, and of trained weights the
/// classes and the margin around faces. Warns of a scale or margin that differs from the weights';
/// throws Error(usage) for other classes.
void adopt(const ModelDescription& weights, TrainingOptions& options);

}  // namespace ember
