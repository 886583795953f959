#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nn/layer.h"

namespace ember {

/// An activation of a model: the output of the layer of this index; kInput is the images.
using Value = int;
inline constexpr Value kInput = -1;

/// A layer in its place.
struct Node {
  std::unique_ptr<Layer> layer;
  std::vector<Value> inputs;
  Shape shape;            ///< of the output, for a batch of 1
  int readers = 0;        ///< layers that read the output
  Value reader = kInput;  ///< the last of them
};

/// The memory of one layer's output: views of an arena.
struct Slot {
  Tensor out;
  ByteTensor state;
};

/// The layers behind a convolution that its epilogue stands for; kInput for none. A max pooling
/// stands alone. A frozen BatchNorm comes first, then its activation, then the sum with an older
/// value.
struct EpilogueLayers {
  Value pool = kInput;
  Value norm = kInput;
  Value activation = kInput;
  Value sum = kInput;
  Value residual = kInput;  ///< the other input of `sum`
};

/// A BatchNorm, and the value, its own or its activation's, that the gradient belongs to.
struct NormBehind {
  Value norm = kInput;  ///< kInput for none
  Value value = kInput;
};

/// Where everything of one kind of pass lies, for batches of up to `batch` images.
///
/// Time runs through the layers and, in training, back again. A buffer lives from the layer that
/// writes it to the last one that reads it, forward or backward; see memory_plan.h for how they
/// share an arena.
struct Plan {
  int64_t batch = 0;
  bool training = false;
  int threads = 1;

  /// On the CPU, layers [0, image_end) run image by image, each thread in an arena of its own. What
  /// later layers read of them has its slot in the batch's arena.
  size_t image_end = 0;
  std::vector<bool> crosses;  ///< for each layer: written by an image, read by the batch part
  std::vector<std::vector<Slot>> image_slots;  ///< [thread][layer]
  std::vector<std::vector<Signal>> image_values;
  size_t first_image_thread = 0;  ///< that has run the first image of a pass

  std::vector<EpilogueLayers> epilogues;  ///< [layer]
  std::vector<Value> expansions;  ///< [layer]: the 1x1 convolution that is its Expansion, or kInput
  std::vector<bool> absorbed;     ///< for each layer: part of an epilogue or an Expansion
  /// Whose state the layer `index` writes: its own or that of the pooling in its epilogue.
  size_t keeper(size_t index) const {
    return epilogues[index].pool == kInput ? index : static_cast<size_t>(epilogues[index].pool);
  }
  std::vector<Value> roots;  ///< [layer]: whose memory its output is in; kInput for the images'

  std::vector<Slot> slots;  ///< [layer], for the whole batch
  std::vector<Signal> values;

  std::vector<bool> needs_gradient;  ///< for each layer: runs backward
  std::vector<std::vector<InputGradient>>
      input_gradients;  ///< [layer][input], buffers for the whole batch
  std::vector<Gradient> gradients;
  /// [layer][input]: the BatchNorm that works on the gradient as this layer leaves it.
  std::vector<std::vector<NormBehind>> norms;
  std::vector<bool> summed;  ///< for each layer: see Backward::summed

  int64_t bytes = 0;  ///< of all arenas together
};

/// Plans one kind of pass through the layers. Throws when an activation is read in an order that
/// shared gradients do not allow.
Plan make_plan(std::span<const Node> nodes, int64_t batch, bool training, int threads,
               Device device);

}  // namespace ember
