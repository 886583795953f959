#include "nn/model_plan.h"

#include <algorithm>

#include "nn/conv2d.h"
#include "nn/layer_fusion.h"
#include "nn/max_pool2d.h"
#include "nn/memory_plan.h"

namespace ember {
namespace {

// With fewer pixels the matrix products do not get busy.
constexpr int64_t kBusyPixels = 256;

int64_t bytes_of(const Shape& shape) { return shape.size() * static_cast<int64_t>(sizeof(float)); }

constexpr size_t kNone = SIZE_MAX;         ///< no buffer
constexpr size_t kCallers = SIZE_MAX - 1;  ///< the output's gradient, which the caller owns

/// Lays out one arena: buffers are asked for, then placed, then handed out as views.
class Arena {
 public:
  explicit Arena(Device device) : device_(device) {}
  size_t add(int64_t bytes, int begin, int end) {
    lives_.push_back({bytes, begin, end});
    return lives_.size() - 1;
  }
  BufferLife& life(size_t buffer) { return lives_[buffer]; }

  /// Makes the storage; returns its size.
  int64_t allocate() {
    plan_ = plan_memory(lives_);
    storage_ = std::make_shared<Storage>(device_, static_cast<size_t>(plan_.bytes));
    return plan_.bytes;
  }
  /// Empty for kNone.
  template <typename T>
  TensorOf<T> view(size_t buffer, const Shape& shape) const {
    if (buffer == kNone) return {};
    return {shape, storage_, static_cast<size_t>(plan_.offsets[buffer])};
  }

 private:
  Device device_;
  std::vector<BufferLife> lives_;
  MemoryPlan plan_;
  std::shared_ptr<Storage> storage_;
};

/// The buffers of one layer's output.
struct SlotBuffers {
  size_t out = kNone;
  size_t state = kNone;
};

class Planner {
 public:
  Planner(std::span<const Node> nodes, const Shape& image, int64_t batch, bool training,
          int threads, Device device)
      : nodes_(nodes),
        image_(image),
        count_(static_cast<int>(nodes.size())),
        threads_(threads),
        device_(device) {
    plan_.batch = batch;
    plan_.training = training;
    plan_.threads = threads;
  }

  Plan make() {
    fuse_layers(nodes_, device_, plan_);
    find_stages();
    find_crossings();
    plan_lanes();
    plan_batch_arena();
    plan_packed_weights();
    return std::move(plan_);
  }

 private:
  const Layer& layer(Value value) const { return *nodes_[static_cast<size_t>(value)].layer; }
  Shape batch_shape(Value value) const {
    return nodes_[static_cast<size_t>(value)].shape.with_rows(plan_.batch);
  }
  /// The shape, for a batch of 1, of what `value` writes: its own output or, where a pooling is in
  /// its epilogue, that one's.
  const Shape& written_shape(Value value) const {
    const Value pool = plan_.epilogues[static_cast<size_t>(value)].pool;
    return nodes_[static_cast<size_t>(pool == kInput ? value : pool)].shape;
  }
  /// Of which shape, for a batch of 1, the first input of `value` is.
  const Shape& read_shape(Value value) const {
    const Value input = nodes_[static_cast<size_t>(value)].inputs[0];
    return input == kInput ? image_ : nodes_[static_cast<size_t>(input)].shape;
  }
  int64_t images_together(const Shape& shape) const {
    return device_ == Device::cpu ? ember::images_together(shape, plan_.batch, threads_)
                                  : plan_.batch;
  }
  size_t stage_of(Value value) const {
    size_t stage = 0;
    while (static_cast<size_t>(value) >= plan_.stages[stage].end) ++stage;
    return stage;
  }
  bool in_last_stage(Value value) const { return stage_of(value) + 1 == plan_.stages.size(); }

  // The images are there at time 0.
  static int forward_time(Value value) { return value + 1; }
  int loss_time() const { return count_ + 1; }
  int backward_time(Value value) const { return loss_time() + count_ - value; }

  void find_stages() {
    int64_t together = 0;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const auto value = static_cast<Value>(i);
      // What another layer computes is in its stage.
      if (!plan_.absorbed[i] || i == 0) {
        together = std::max(
            together, plan_.needs_gradient[i] ? plan_.batch : images_together(read_shape(value)));
      }
      if (plan_.stages.empty() || plan_.stages.back().images != together) {
        plan_.stages.push_back({.begin = i, .end = i, .images = together, .lanes = {}});
      }
      plan_.stages.back().end = i + 1;
    }
    if (together != plan_.batch) {
      const size_t end = nodes_.size();
      plan_.stages.push_back({.begin = end, .end = end, .images = plan_.batch, .lanes = {}});
    }
  }

  void find_crossings() {
    plan_.crosses.assign(nodes_.size(), false);
    const auto cross = [&](Value value, size_t reader) {
      const Value root = plan_.root_of(value);
      if (root != kInput && stage_of(root) < reader)
        plan_.crosses[static_cast<size_t>(root)] = true;
    };
    for (size_t stage = 0; stage < plan_.stages.size(); ++stage) {
      for (size_t reader = plan_.stages[stage].begin; reader < plan_.stages[stage].end; ++reader) {
        for (Value input : nodes_[reader].inputs) cross(input, stage);
      }
    }
    cross(count_ - 1, plan_.stages.size() - 1);
  }

  bool writes(Value value) const { return plan_.root_of(value) == value; }

  /// When `reader` has read what `root` writes, for all images if that crosses.
  int read_time(Value root, Value reader) const {
    if (stage_of(root) == stage_of(reader) || in_last_stage(reader)) return forward_time(reader);
    return forward_time(static_cast<Value>(plan_.stages[stage_of(reader)].end) - 1);
  }

  /// The last forward time at which somebody reads the memory that `root` writes.
  int last_read(Value root) const {
    int time = forward_time(root);
    for (Value reader = root + 1; reader < count_; ++reader) {
      for (Value input : nodes_[static_cast<size_t>(reader)].inputs) {
        if (plan_.root_of(input) == root) time = read_time(root, reader);
      }
    }
    return plan_.root_of(count_ - 1) == root ? loss_time() : time;
  }

  /// The last backward time at which somebody reads it; 0 for never.
  int last_backward_read(Value root) const {
    int time = 0;
    if (plan_.runs_backward(root) && layer(root).backward_reads_output())
      time = backward_time(root);
    for (Value reader = root + 1; reader < count_; ++reader) {
      if (!plan_.runs_backward(reader)) continue;
      for (Value input : nodes_[static_cast<size_t>(reader)].inputs) {
        if (plan_.root_of(input) != root) continue;
        if (layer(reader).backward_reads_input()) time = std::max(time, backward_time(reader));
        // What a layer leaves pending on this memory is applied where the gradient of `root` is
        // read.
        if (layer(reader).passes_through() && plan_.runs_backward(root))
          time = std::max(time, backward_time(root));
      }
    }
    return time;
  }

  size_t add_out(Arena& arena, Value value, int64_t batch, int begin) const {
    if (!writes(value)) return kNone;
    return arena.add(bytes_of(written_shape(value).with_rows(batch)), begin,
                     std::max(last_read(value), last_backward_read(value)));
  }
  size_t add_state(Arena& arena, Value value, int64_t batch) const {
    const Shape shape = nodes_[static_cast<size_t>(value)].shape.with_rows(batch);
    const int64_t bytes = layer(value).state_bytes(shape);
    if (bytes == 0) return kNone;
    const Value user = plan_.absorbed[static_cast<size_t>(value)] ? plan_.root_of(value) : value;
    const int begin = forward_time(user);
    return arena.add(bytes, begin, plan_.runs_backward(user) ? backward_time(user) : begin);
  }
  Slot slot(const Arena& arena, const SlotBuffers& buffers, Value value, int64_t batch) const {
    const Shape shape = nodes_[static_cast<size_t>(value)].shape.with_rows(batch);
    return {.out = arena.view<float>(buffers.out, written_shape(value).with_rows(batch)),
            .state = arena.view<uint8_t>(buffers.state, {layer(value).state_bytes(shape)})};
  }

  void plan_lanes() {
    for (Stage& stage : plan_.stages) {
      if (&stage == &plan_.stages.back()) break;
      stage.lanes.resize(static_cast<size_t>(threads_));
      for (Lane& lane : stage.lanes) {
        lane.slots.resize(nodes_.size());
        lane.values.resize(nodes_.size());
        Arena arena(device_);
        std::vector<SlotBuffers> buffers(nodes_.size());
        for (size_t i = stage.begin; i < stage.end; ++i) {
          const auto value = static_cast<Value>(i);
          if (!plan_.crosses[i]) {
            buffers[i].out = add_out(arena, value, stage.images, forward_time(value));
          }
          buffers[i].state = add_state(arena, value, stage.images);
        }
        plan_.bytes += arena.allocate();
        for (size_t i = stage.begin; i < stage.end; ++i) {
          lane.slots[i] = slot(arena, buffers[i], static_cast<Value>(i), stage.images);
        }
      }
    }
  }

  void plan_batch_arena() {
    plan_.whole.slots.resize(nodes_.size());
    plan_.whole.values.resize(nodes_.size());
    plan_.gradients.resize(nodes_.size());
    plan_.input_gradients.resize(nodes_.size());

    Arena arena(device_);
    std::vector<SlotBuffers> buffers(nodes_.size());
    for (Value value = 0; value < count_; ++value) {
      const auto i = static_cast<size_t>(value);
      if (in_last_stage(value)) {
        buffers[i] = {add_out(arena, value, plan_.batch, forward_time(value)),
                      add_state(arena, value, plan_.batch)};
      } else if (plan_.crosses[i]) {
        // Some images are at the beginning of the stage while others have left it.
        const size_t first = plan_.stages[stage_of(value)].begin;
        buffers[i].out =
            add_out(arena, value, plan_.batch, forward_time(static_cast<Value>(first)));
      }
    }
    const auto gradients = plan_gradients(arena);
    plan_.bytes += arena.allocate();

    for (Value value = 0; value < count_; ++value) {
      const auto i = static_cast<size_t>(value);
      plan_.whole.slots[i] = slot(arena, buffers[i], value, plan_.batch);
      for (size_t k = 0; k < nodes_[i].inputs.size(); ++k) {
        if (gradients[i][k] == kNone) continue;
        plan_.input_gradients[i][k].buffer =
            arena.view<float>(gradients[i][k], batch_shape(nodes_[i].inputs[k]));
      }
    }
  }

  void plan_packed_weights() {
    plan_.packed.resize(nodes_.size());
    for (size_t i = 0; i < plan_.stages.back().begin; ++i) {
      const auto* conv = dynamic_cast<const Conv2D*>(nodes_[i].layer.get());
      if (conv == nullptr) continue;
      const Value pool = plan_.epilogues[i].pool;
      const Pooling pooling =
          pool == kInput ? Pooling{} : dynamic_cast<const MaxPool2D&>(layer(pool)).pooling({});
      plan_.packed[i] = Tensor({conv->packed_size(pooling)});
      plan_.bytes += bytes_of(plan_.packed[i].shape());
    }
  }

  /// Goes backward through the layers as the pass will, and asks for a buffer where a gradient is
  /// written first. Returns the buffers of [layer][input].
  std::vector<std::vector<size_t>> plan_gradients(Arena& arena) {
    std::vector<std::vector<size_t>> buffers(nodes_.size());
    std::vector<size_t> of_value(nodes_.size(), kNone);
    for (size_t i = 0; i < nodes_.size(); ++i) {
      buffers[i].assign(nodes_[i].inputs.size(), kNone);
      plan_.input_gradients[i].resize(nodes_[i].inputs.size());
    }
    if (!plan_.training) return buffers;
    of_value.back() = kCallers;
    for (Value value = count_ - 1; value >= 0; --value) {
      const auto i = static_cast<size_t>(value);
      if (!plan_.needs_gradient[i]) continue;
      EMBER_REQUIRE(of_value[i] != kNone, "nothing reads the output of {}", layer(value).name());
      const int now = backward_time(value);
      if (of_value[i] != kCallers) arena.life(of_value[i]).end = now;
      for (size_t k = 0; k < nodes_[i].inputs.size(); ++k) {
        const Value input = nodes_[i].inputs[k];
        InputGradient& gradient = plan_.input_gradients[i][k];
        gradient.wanted = plan_.runs_backward(input);
        if (!gradient.wanted) continue;
        size_t& shared = of_value[static_cast<size_t>(input)];
        if (layer(value).hands_gradient_through() || plan_.absorbed[i]) {
          EMBER_REQUIRE(shared == kNone,
                        "{} must run before the other readers of {} in the backward pass",
                        layer(value).name(), layer(input).name());
          shared = of_value[i];
          continue;
        }
        gradient.accumulate = shared != kNone;
        if (gradient.accumulate) {
          require_last_reader(of_value, input, value);
          if (shared != kCallers) arena.life(shared).end = now;
        } else {
          shared = arena.add(bytes_of(batch_shape(input)), now, now);
          buffers[i][k] = shared;
        }
      }
    }
    return buffers;
  }

  /// A gradient that Add handed to two layers may be added to only when the other one has been
  /// served.
  void require_last_reader(const std::vector<size_t>& of_value, Value input, Value now) const {
    for (Value other = 0; other < now; ++other) {
      EMBER_REQUIRE(other == input || of_value[static_cast<size_t>(other)] !=
                                          of_value[static_cast<size_t>(input)],
                    "{} and {} share a gradient that {} would change too early",
                    layer(input).name(), layer(other).name(), layer(now).name());
    }
  }

  std::span<const Node> nodes_;
  Shape image_;
  int count_;
  int threads_;
  Device device_;
  Plan plan_;
};

}  // namespace

int64_t images_together(const Shape& shape, int64_t batch, int threads) {
  if (shape.rank() != 4) return batch;
  for (int64_t images : {1, 4}) {
    if (images * shape[1] * shape[2] >= kBusyPixels && images * threads <= batch) return images;
  }
  return batch;
}

Plan make_plan(std::span<const Node> nodes, const Shape& image, int64_t batch, bool training,
               int threads, Device device) {
  return Planner(nodes, image, batch, training, threads, device).make();
}

}  // namespace ember
