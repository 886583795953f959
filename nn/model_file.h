#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "nn/architectures.h"
#include "nn/model.h"
#include "tensor/safetensors.h"

/// Models as files: safetensors whose metadata says what network the tensors belong to
/// (weights/README.md describes the format).
namespace ember {

/// A description as the metadata of a weights file.
std::map<std::string, std::string> metadata_of(const ModelDescription& description);

/// A checked file: its description and tensors. Throws Error(data) with the file's name and a
/// reason when it is not one of Ember's.
struct ModelFile {
  std::filesystem::path path;
  ModelDescription description;
  std::map<std::string, Tensor> tensors;
};
ModelFile read_model_file(const std::filesystem::path& path);

/// The values of all parameters by their names, `layer/variable`, on the CPU; where the model is
/// there, in its own memory.
std::map<std::string, Tensor> weights_of(const Model& model);

/// Gives `model` the tensors of `file`. The layers after `last` (a head) may be missing in the
/// file, and a head in the file is passed over then. Throws Error(data) that lists every missing,
/// unexpected or misshaped tensor.
void load_weights(Model& model, const ModelFile& file);
void load_weights(Model& model, const ModelFile& file, Value last);

/// The network of a file, with its weights. Throws as load_weights.
Model load_model(const ModelFile& file);

/// Writes all parameters, through a temporary file.
void save_model(const std::filesystem::path& path, const Model& model,
                const ModelDescription& description);

}  // namespace ember
