#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/batch_norm.h"
#include "kernels/depthwise_conv2d.h"
#include "kernels/epilogue.h"
#include "kernels/pending.h"
#include "tensor/tensor.h"

namespace ember {

/// A layer's weight, or a statistic that travels with the weights.
struct Parameter {
  std::string variable;  ///< "kernel", "gamma", ...; see name_of
  Tensor value;
  Tensor gradient;      ///< empty until the model is prepared for training
  bool learned = true;  ///< false for BatchNorm's moving statistics, which no optimizer touches
  int64_t fan_in = 0;   ///< for the initializer; 0 where a constant is right
  int64_t fan_out = 0;
  float constant = 0.0f;  ///< initial value where there are no fans
};

/// An activation on its way: the raw output of the last operation that wrote memory, and what is
/// still to be applied to it.
struct Signal {
  Tensor raw;
  Pending pending;
  bool normalised = false;  ///< its producer has served what Layer::wanted_fold asked for
};

/// A gradient on its way: dL/draw is `pending` applied to dz.
struct Gradient {
  Tensor dz;
  PendingGradient pending;

  /// Applies what is pending, in place, so that dz is the gradient itself.
  void settle();
};

/// Which step of which run this is, for what must differ from step to step.
struct Step {
  bool training = false;
  uint64_t seed = 0;
  uint64_t number = 0;
};

/// What a layer is given to compute its output.
struct Forward {
  std::span<const Signal> inputs;
  Tensor out;  ///< where the output goes; empty when the layer passes its input's memory through
  ByteTensor state;   ///< Layer::state_bytes() bytes that backward sees again
  Epilogue epilogue;  ///< what a convolution does to `out` besides: see Layer::takes_epilogue
  /// What a depthwise convolution is given instead of its input being expanded before; or null.
  const Expansion* expansion = nullptr;
  Tensor packed{};  ///< what conv2d_pack makes of a convolution's weights, or empty
  const Step& step;
};

/// Where a layer puts the gradient of one of its inputs.
struct InputGradient {
  bool wanted = false;
  bool accumulate = false;  ///< add to the content of `buffer`
  Tensor buffer;  ///< memory of the input's shape; empty when the layer hands its gradient through
  /// The BatchNorm whose gradient the layer writes, if there is one: see Layer::wanted_sums.
  BatchNormBackward* norm = nullptr;
  Gradient result;      ///< set by the layer
  bool summed = false;  ///< set by the layer: what `norm` wants is done
};

/// What a layer is given to compute its gradients.
struct Backward {
  std::span<const Signal> inputs;
  const Signal& output;
  ByteTensor state;
  Gradient gradient;  ///< of `output` with its pending transform applied
  bool summed;        ///< whoever wrote `gradient` has served what `wanted_sums` asked for
  std::span<InputGradient> inputs_gradient;
  const Step& step;
};

/// One layer of a model: it says its shapes and parameters, and computes forward and backward.
///
/// Memory is the model's: a layer that writes its output gets a view of the arena, one that
/// `passes_through` returns its input's memory with something more pending. Layers keep no
/// activation of their own. `forward` of a step that does not train may run for several images at
/// once, so it changes nothing in the layer.
class Layer {
 public:
  explicit Layer(std::string name) : name_(std::move(name)) {}
  virtual ~Layer() = default;

  const std::string& name() const { return name_; }

  /// Keras's name of the class, for the layer table.
  virtual std::string_view type() const = 0;

  /// Output shape, batch included, and, once, the parameters. Throws when the inputs do not fit.
  virtual Shape build(std::span<const Shape> inputs) = 0;

  /// Multiply-accumulates of one image.
  virtual int64_t macs(std::span<const Shape>, const Shape&) const { return 0; }

  /// Whose kernels compute this layer where there is a choice, for the layer table; else empty.
  virtual std::string_view kernels() const { return ""; }

  /// True when the output shares the memory of the input.
  virtual bool passes_through() const { return false; }
  /// True when the gradient of the inputs shares the memory of the output's.
  virtual bool hands_gradient_through() const { return passes_through(); }
  /// Bytes kept from forward to backward besides tensors, for an output of this shape.
  virtual int64_t state_bytes(const Shape&) const { return 0; }
  virtual bool backward_reads_input() const { return false; }
  virtual bool backward_reads_output() const { return false; }
  /// True when the layer can do the work of layers behind it in its epilogue.
  virtual bool takes_epilogue() const { return false; }

  /// What the layer wants folded before a forward pass, if anything.
  virtual std::optional<BatchNormFold> fold_before(const Step&) { return std::nullopt; }
  /// What the layer wants folded by whoever writes its input, which gathers the moments, if
  /// anything.
  virtual std::optional<BatchNormFold> wanted_fold(const Step&) { return std::nullopt; }
  /// What the layer wants done by whoever writes the gradient of its output, if it wants anything;
  /// `raw` is its input and `forward` what is pending on that behind the layer and its activation.
  virtual std::optional<BatchNormBackward> wanted_sums(const Step&, const Tensor& /*raw*/,
                                                       const Pending& /*forward*/) {
    return std::nullopt;
  }
  /// Moves the parameters, their gradients and whatever else the layer keeps.
  virtual void move_to(Device device);
  virtual Signal forward(const Forward& pass) = 0;
  /// Sets the gradients of trainable parameters and those inputs whose gradient is wanted.
  virtual void backward(const Backward& pass) = 0;

  std::vector<Parameter>& parameters() { return parameters_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  Parameter& parameter(std::string_view variable);

  bool trainable() const { return trainable_; }  ///< see Model::set_trainable
  /// True when training changes something of this layer.
  bool learns() const;

 protected:
  /// Fails unless there is one input, of this rank.
  const Shape& only_input(std::span<const Shape> inputs, int rank) const;
  Parameter& add_parameter(Parameter parameter);

 private:
  friend class Model;
  std::string name_;
  std::vector<Parameter> parameters_;
  bool trainable_ = true;
};

/// A parameter's name in files, `layer/variable`.
std::string name_of(const Layer& layer, const Parameter& parameter);

/// The rectifier that Conv2D and Dense may end with.
enum class Activation { linear, relu };

/// The clip of an activation function.
Pending clip_of(Activation activation);

/// `pass.gradient`, with the clip that `pass.output` still has pending made part of it: how a layer
/// that writes raw and hands on a clip of its own begins its backward.
Gradient through_own_clip(const Backward& pass);

}  // namespace ember
