#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nn/layer.h"
#include "nn/model_plan.h"
#include "nn/summary.h"

namespace ember {

/// A network of layers, and the memory it runs in.
///
/// Layers are added in the order they run. By default each reads the one before it, so a chain
/// reads like Keras's Sequential; a layer that reads other values, such as Add, is given them:
///
///     Model model("baseline_cnn", {128, 128, 3});
///     model.add(Conv2D("conv2d", {.filters = 32, .activation = Activation::relu}));
///     model.add(MaxPool2D("max_pooling2d", 2));
///
/// Forward and backward are written out in the layers; there is no tape. All activations and
/// gradients of a pass lie in one arena, whose places are planned once for the largest batch: what
/// backward needs lives until then, the rest shares space. After the first step of a kind nothing
/// is allocated.
///
/// Layers below the first one that learns run for a few images at a time, each thread taking some,
/// as long as their images are large: so what they hand on stays in a core's cache. A GPU takes
/// whole batches.
class Model {
 public:
  /// `image` is (H, W, C).
  Model(std::string name, Shape image) : name_(std::move(name)), image_(image) {}

  const std::string& name() const { return name_; }
  const Shape& image() const { return image_; }

  /// Adds a layer behind the last one, or behind the values given; returns its output.
  template <typename L>
  Value add(L layer) {
    return add(std::move(layer), {last()});
  }
  template <typename L>
  Value add(L layer, const std::vector<Value>& inputs) {
    return add_node(std::make_unique<L>(std::move(layer)), inputs);
  }
  Value last() const { return static_cast<Value>(nodes_.size()) - 1; }

  /// The layers in their places, in the order they run.
  std::span<const Node> nodes() const { return nodes_; }
  int64_t layer_count() const { return static_cast<int64_t>(nodes_.size()); }
  Layer& layer(int64_t index) { return *nodes_[static_cast<size_t>(index)].layer; }
  const Layer& layer(int64_t index) const { return *nodes_[static_cast<size_t>(index)].layer; }
  /// Throws when there is no layer of this name.
  Layer& layer(std::string_view name);
  bool has_layer(std::string_view name) const;
  /// Output shape of a layer for a batch of 1.
  const Shape& output_shape(Value value) const { return nodes_[static_cast<size_t>(value)].shape; }

  /// Calls `visit(layer, parameter)` for each parameter, in order.
  void for_each_parameter(const std::function<void(Layer&, Parameter&)>& visit);
  void for_each_parameter(const std::function<void(const Layer&, const Parameter&)>& visit) const;
  int64_t parameter_count() const;
  /// What an optimizer changes: learned parameters of trainable layers, as Keras counts.
  int64_t trainable_count() const;

  /// Moves the weights and gradients to a device and computes there from now on.
  void to(Device device);
  Device device() const { return device_; }

  /// Differs from before when a pass with the same images and labels may run other kernels, or in
  /// other memory.
  int64_t version() const { return version_; }

  /// Makes layers [first, last] trainable or not. The plan is made anew at the next pass.
  void set_trainable(Value first, Value last, bool trainable);
  /// Whether BatchNorm layers keep their moving statistics in training steps.
  void use_moving_statistics(bool moving);
  /// How slowly the moving statistics of all BatchNorm layers follow the batches'.
  void set_momentum(float momentum);

  /// Keras's initial values: Glorot-uniform kernels, zero biases. Weight i of the model's parameter
  /// k is the draw (seed, Purpose::weights, k, i).
  void initialize(uint64_t seed);

  /// The output of the last layer; valid until the next pass. `images` is (N, H, W, C) on the
  /// model's device and must stay until backward is done.
  Tensor forward(const Tensor& images, const Step& step);

  /// Gradients of all trainable parameters, from the gradient of the last forward's output, which
  /// must have been a training step's. `doutput` may be overwritten.
  void backward(const Tensor& doutput);

  /// What is called before each layer's part of a pass, and with null behind the last one: so that
  /// a profile knows whose kernels are queued. Layers that several threads run for some images
  /// each are left out, and a step that a graph repeats calls nothing.
  using Observer = std::function<void(const Layer* layer, bool backward)>;
  void observe(Observer observer) { observer_ = std::move(observer); }

  std::vector<LayerRow> summary() const;

 private:
  Value add_node(std::unique_ptr<Layer> layer, std::vector<Value> inputs);
  std::vector<Shape> input_shapes(const Node& node) const;
  void forget_plans();
  Plan& plan_for(int64_t batch, bool training);
  /// Runs the layers of `stage` for images [first, last).
  void run_stage(Plan& plan, Stage& stage, const Tensor& images, int64_t first, int64_t last,
                 const Step& step);
  /// Runs a layer and those of its epilogue, and sets their values. `state` is that of
  /// Plan::keeper.
  void run_layer(const Plan& plan, size_t index, const Tensor& images, std::span<Signal> values,
                 const Tensor& out, const ByteTensor& state, const Step& step);
  /// What the layers of an epilogue leave pending.
  Pending pending_of(const EpilogueLayers& layers, const Step& step);
  void pack_weights(Plan& plan, const Step& step);
  Epilogue epilogue_of(const EpilogueLayers& layers, const Tensor& images,
                       std::span<const Signal> values, const Tensor& out, const ByteTensor& state,
                       const Step& step);

  std::string name_;
  Shape image_;
  Device device_ = Device::cpu;
  int64_t version_ = 0;
  std::vector<Node> nodes_;
  Observer observer_ = [](const Layer*, bool) {};
  std::optional<Plan> training_;
  std::optional<Plan> inference_;
  Tensor materialized_;  ///< the largest output, where the last layer leaves something pending
  Tensor images_;        ///< of the last forward
  std::vector<BatchNormFold> folds_;
  Step step_;
};

}  // namespace ember
