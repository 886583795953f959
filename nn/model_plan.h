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

/// What one thread works with: for each layer, its memory and what it hands on.
struct Lane {
  std::vector<Slot> slots;
  std::vector<Signal> values;
};

/// Layers [begin, end), which a thread runs one after the other for the same few images while
/// others take other images. The last stage of a plan, which may be empty, has the whole batch.
struct Stage {
  size_t begin = 0;
  size_t end = 0;
  int64_t images = 0;       ///< see images_together
  std::vector<Lane> lanes;  ///< [thread]; none in the last stage
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

  std::vector<Stage> stages;
  std::vector<bool> crosses;  ///< for each layer: later stages read what it writes

  std::vector<EpilogueLayers> epilogues;  ///< [layer]
  std::vector<Value> expansions;  ///< [layer]: the 1x1 convolution that is its Expansion, or kInput
  std::vector<bool> absorbed;     ///< for each layer: part of an epilogue or an Expansion
  /// Whose state the layer `index` writes: its own or that of the pooling in its epilogue.
  size_t keeper(size_t index) const {
    return epilogues[index].pool == kInput ? index : static_cast<size_t>(epilogues[index].pool);
  }
  std::vector<Value> roots;  ///< [layer]: whose memory its output is in; kInput for the images'
  Value root_of(Value value) const {
    return value == kInput ? kInput : roots[static_cast<size_t>(value)];
  }

  /// [layer]: where the weights of a convolution in a stage that threads share out are packed,
  /// once for all images; empty for the others.
  std::vector<Tensor> packed;

  Lane whole;  ///< the last stage's, and what crosses from the others

  std::vector<bool> needs_gradient;  ///< for each layer: runs backward
  bool runs_backward(Value value) const {
    return value != kInput && needs_gradient[static_cast<size_t>(value)];
  }
  std::vector<std::vector<InputGradient>>
      input_gradients;  ///< [layer][input], buffers for the whole batch
  std::vector<Gradient> gradients;
  /// [layer][input]: the BatchNorm that works on the gradient as this layer leaves it.
  std::vector<std::vector<NormBehind>> norms;
  std::vector<bool> summed;  ///< for each layer: see Backward::summed

  int64_t bytes = 0;  ///< of all arenas together
};

/// How many images of a batch layers that need no gradient and read activations of `shape`, (N, H,
/// W, C), run for at a time on the CPU: few, so that what they hand on stays in a thread's cache,
/// but enough to keep the matrix products busy. The whole batch where one or a few images are too
/// little, or too much for all threads to get some: then the layers' own parallelism serves better.
int64_t images_together(const Shape& shape, int64_t batch, int threads);

/// Plans one kind of pass through the layers, for images of shape `image` (1, H, W, C). Throws when
/// an activation is read in an order that shared gradients do not allow.
Plan make_plan(std::span<const Node> nodes, const Shape& image, int64_t batch, bool training,
               int threads, Device device);

}  // namespace ember
