#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <optional>

#include "nn/model_file.h"
#include "tensor/temporary_folder.h"
#include "tests/golden.h"

namespace ember {

/// MobileNetV2's ImageNet weights, converted from Keras's file by weights/fetch; nothing, and a
/// message, where there is no such file.
inline std::optional<ModelFile> imagenet_weights() {
  const auto source = test_asset("weights/keras_mobilenet_v2_1.0_224_no_top.h5");
  if (!source) return std::nullopt;
  const TemporaryFolder folder;
  const std::filesystem::path converted = folder / "weights.safetensors";
  const std::string command = fmt::format("'{}/weights/fetch' '{}' '{}' 2>/dev/null",
                                          EMBER_SOURCE_DIR, source->string(), converted.string());
  REQUIRE_MESSAGE(std::system(command.c_str()) == 0, command);  // NOLINT(concurrency-mt-unsafe)
  return read_model_file(converted);
}

}  // namespace ember
