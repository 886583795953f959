#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/inverted_residual.h"
#include "nn/model.h"

/// The networks that programs know by name.
namespace ember {

/// Which network a model is, and what its input means: what a weights file says of itself.
struct ModelDescription {
  std::string architecture = "mobilenet_v2";
  double width_multiplier = 1.0;     ///< where the architecture has one
  std::vector<std::string> classes;  ///< empty for a base without a head
  int64_t image_size = 224;
  std::string scale = "unit";                                 ///< "unit", "symmetric", "imagenet"
  PaddingConvention padding = PaddingConvention::tensorflow;  ///< of MobileNetV2
  float batch_norm_epsilon = 1e-3f;                           ///< of MobileNetV2
  /// Shown around a face, per cent of its longer side; absent for a model of whole photos.
  std::optional<double> margin{};
};

/// Side in pixels of the largest images that are worth a convolutional network.
inline constexpr int64_t kLargestSide = 4096;

struct Architecture {
  std::string_view name;
  std::string_view about;  ///< half a line
  int64_t smallest_side;   ///< of its images, in pixels
  int64_t side_factor;     ///< of which the side is a multiple
  bool any_side;           ///< the same weights serve images of every side
  bool has_width;          ///< its channels can be scaled
  bool has_base;           ///< it can do without classes, and be pretrained
  Model (*build)(const ModelDescription& description);

  bool takes(int64_t side) const {
    return smallest_side <= side && side <= kLargestSide && side % side_factor == 0;
  }
  std::string sides() const;  ///< "multiples of 32"
};
std::span<const Architecture> architectures();
std::vector<std::string> architecture_names();

/// Throws Error(usage) when there is none of this name.
const Architecture& architecture(std::string_view name);

/// The network that a description speaks of, with uninitialised weights: with a head where there
/// are classes, else the base alone.
Model build_model(const ModelDescription& description);

}  // namespace ember
