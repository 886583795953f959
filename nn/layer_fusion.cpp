#include "nn/layer_fusion.h"

#include <algorithm>

#include "nn/add.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/depthwise_conv2d.h"
#include "nn/max_pool2d.h"
#include "nn/relu.h"

namespace ember {
namespace {

class Fuser {
 public:
  Fuser(std::span<const Node> nodes, Device device, Plan& plan)
      : nodes_(nodes), count_(static_cast<int>(nodes.size())), device_(device), plan_(plan) {}

  void fuse() {
    find_gradient_layers();
    find_epilogues();
    find_expansions();
    find_norms();
  }

 private:
  const Layer& layer(Value value) const { return *nodes_[static_cast<size_t>(value)].layer; }

  void find_gradient_layers() {
    plan_.needs_gradient.assign(nodes_.size(), false);
    if (!plan_.training) return;
    for (Value value = 0; value < count_; ++value) {
      const auto& inputs = nodes_[static_cast<size_t>(value)].inputs;
      plan_.needs_gradient[static_cast<size_t>(value)] =
          layer(value).learns() || std::any_of(inputs.begin(), inputs.end(), [&](Value input) {
            return plan_.runs_backward(input);
          });
    }
  }

  /// The only reader of `value`, if it is an L that runs forward alone; kInput otherwise.
  template <typename L>
  Value frozen_reader(Value value) const {
    const Node& node = nodes_[static_cast<size_t>(value)];
    if (node.readers != 1 || plan_.runs_backward(node.reader)) return kInput;
    return dynamic_cast<const L*>(&layer(node.reader)) != nullptr ? node.reader : kInput;
  }

  /// A value with nothing pending on it, for certain.
  bool settled(Value value) const {
    return value == kInput || plan_.absorbed[static_cast<size_t>(value)] ||
           dynamic_cast<const Add*>(&layer(value)) != nullptr;
  }

  EpilogueLayers epilogue_of(Value value) const {
    EpilogueLayers epilogue;
    const Node& node = nodes_[static_cast<size_t>(value)];
    if (dynamic_cast<const Conv2D*>(&layer(value)) != nullptr && node.readers == 1 &&
        dynamic_cast<const MaxPool2D*>(&layer(node.reader)) != nullptr) {
      epilogue.pool = node.reader;
      return epilogue;
    }
    if (!layer(value).takes_epilogue()) return epilogue;
    epilogue.norm = frozen_reader<BatchNorm>(value);
    if (epilogue.norm == kInput) return epilogue;
    epilogue.activation = frozen_reader<ReLU>(epilogue.norm);
    const Value last = epilogue.activation == kInput ? epilogue.norm : epilogue.activation;
    const Value sum = frozen_reader<Add>(last);
    if (sum == kInput) return epilogue;
    const auto& inputs = nodes_[static_cast<size_t>(sum)].inputs;
    const Value residual = inputs[0] == last ? inputs[1] : inputs[0];
    if (residual == last || residual >= value || !settled(residual)) return epilogue;
    epilogue.sum = sum;
    epilogue.residual = residual;
    return epilogue;
  }

  void find_epilogues() {
    plan_.epilogues.resize(nodes_.size());
    plan_.absorbed.assign(nodes_.size(), false);
    plan_.roots.assign(nodes_.size(), kInput);
    for (Value value = 0; value < count_; ++value) {
      const auto i = static_cast<size_t>(value);
      if (!plan_.absorbed[i]) {
        plan_.roots[i] = layer(value).passes_through() ? plan_.root_of(nodes_[i].inputs[0]) : value;
      }
      const EpilogueLayers epilogue = epilogue_of(value);
      plan_.epilogues[i] = epilogue;
      for (Value part : {epilogue.pool, epilogue.norm, epilogue.activation, epilogue.sum}) {
        if (part == kInput) continue;
        plan_.absorbed[static_cast<size_t>(part)] = true;
        plan_.roots[static_cast<size_t>(part)] = value;
      }
    }
  }

  /// Image by image, frozen 1x1 convolutions whose wide output only a depthwise one reads are part
  /// of that one.
  void find_expansions() {
    plan_.expansions.assign(nodes_.size(), kInput);
    for (Value value = 0; value < count_; ++value) {
      const auto* conv = dynamic_cast<const Conv2D*>(&layer(value));
      const EpilogueLayers& behind = plan_.epilogues[static_cast<size_t>(value)];
      const Node& node = nodes_[static_cast<size_t>(value)];
      if (conv == nullptr || !conv->expands() || behind.norm == kInput || behind.sum != kInput ||
          device_ != Device::cpu || images_together(node.shape, plan_.batch, plan_.threads) != 1 ||
          !settled(node.inputs[0])) {
        continue;
      }
      const Value last = behind.activation == kInput ? behind.norm : behind.activation;
      const Value depthwise = frozen_reader<DepthwiseConv2D>(last);
      if (depthwise == kInput) continue;
      plan_.expansions[static_cast<size_t>(depthwise)] = value;
      plan_.absorbed[static_cast<size_t>(value)] = true;
      for (Value part : {value, behind.norm, behind.activation}) {
        if (part != kInput) plan_.roots[static_cast<size_t>(part)] = plan_.root_of(node.inputs[0]);
      }
    }
  }

  /// The BatchNorm that takes the gradient of `value` as it is, through layers that hand it on.
  NormBehind norm_behind(Value value) const {
    if (!plan_.runs_backward(value) || !layer(value).hands_gradient_through()) return {};
    if (dynamic_cast<const BatchNorm*>(&layer(value)) != nullptr) return {value, value};
    const Node& node = nodes_[static_cast<size_t>(value)];
    for (Value input : node.inputs) {
      if (input == kInput) continue;
      const Node& before = nodes_[static_cast<size_t>(input)];
      if (before.readers != 1 || before.shape != node.shape) continue;
      const NormBehind found = norm_behind(input);
      if (found.norm == kInput) continue;
      if (!layer(value).passes_through()) return found;
      // An activation, which adds its clip: known from the BatchNorm's output, not from a sum's.
      return found.norm == input ? NormBehind{found.norm, value} : NormBehind{};
    }
    return {};
  }

  void find_norms() {
    plan_.norms.resize(nodes_.size());
    plan_.summed.assign(nodes_.size(), false);
    std::vector<bool> written(nodes_.size(), false);  // by an earlier layer, later in the pass
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const auto& inputs = nodes_[i].inputs;
      plan_.norms[i].resize(inputs.size());
      if (!plan_.needs_gradient[i]) continue;
      for (size_t k = 0; k < inputs.size(); ++k) {
        if (!plan_.runs_backward(inputs[k]) || written[static_cast<size_t>(inputs[k])]) continue;
        written[static_cast<size_t>(inputs[k])] = true;
        plan_.norms[i][k] = norm_behind(inputs[k]);
      }
    }
  }

  std::span<const Node> nodes_;
  int count_;
  Device device_;
  Plan& plan_;
};

}  // namespace

void fuse_layers(std::span<const Node> nodes, Device device, Plan& plan) {
  Fuser(nodes, device, plan).fuse();
}

}  // namespace ember
