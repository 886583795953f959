#include "nn/train.h"

#include <doctest/doctest.h>

#include <limits>

#include "nn/dense.h"
#include "nn/global_average_pool.h"
#include "tests/kernels/testing.h"

namespace ember {
namespace {

/// Rows of noise whose class is the brightest channel; `batch` rows at a time, the last batch
/// short.
class ColourSource : public BatchSource {
 public:
  ColourSource(int64_t rows, int64_t batch)
      : batch_(batch), images_(random_uniform({rows, 2, 2, 3}, 0, 1, 4).to(Device::cpu)) {
    labels_ = LabelTensor({rows});
    for (int64_t i = 0; i < rows; ++i) {
      labels_.data()[i] = static_cast<int32_t>(i % 3);
      for (int64_t pixel = 0; pixel < 4; ++pixel)
        images_.data()[i * 12 + pixel * 3 + i % 3] += 1.0f;
    }
  }
  int64_t batch_count() const override { return (images_.dim(0) + batch_ - 1) / batch_; }
  void start_epoch(uint64_t) override { next_ = 0; }
  std::optional<BatchView> next() override {
    if (next_ == images_.dim(0)) return std::nullopt;
    const int64_t begin = next_;
    next_ = std::min(begin + batch_, images_.dim(0));
    return BatchView{images_.rows(begin, next_), labels_.rows(begin, next_)};
  }
  Tensor& images() { return images_; }

 private:
  int64_t batch_;
  int64_t next_ = 0;
  Tensor images_;
  LabelTensor labels_;
};

Model colour_model() {
  Model model("colours", {2, 2, 3});
  model.add(GlobalAveragePool("pool"));
  model.add(Dense("dense", 3));
  model.initialize(1);
  return model;
}

struct Recorder : Callback {
  std::vector<StepProgress> steps;
  int epochs_begun = 0;
  void on_epoch_begin(int, int) override { ++epochs_begun; }
  void on_step(const StepProgress& progress) override { steps.push_back(progress); }
};

}  // namespace

TEST_CASE("fit learns, and reports each step and epoch") {
  Model model = colour_model();
  Adam adam(model, {.learning_rate = 0.1f});
  ColourSource training(40, 16);
  ColourSource validation(10, 16);
  Recorder recorder;
  Callback* callbacks[] = {&recorder};
  const History history =
      fit(model, adam, training, &validation, {.stage = "only", .epochs = 20}, callbacks);
  REQUIRE(history.size() == 20);
  CHECK(recorder.epochs_begun == 20);
  CHECK(recorder.steps.size() == 60);
  CHECK(recorder.steps[2].step == 3);
  CHECK(recorder.steps[2].steps == 3);
  CHECK(recorder.steps[2].loss == history[0].loss);
  CHECK(history[0].stage == "only");
  CHECK(history[0].epoch == 1);
  CHECK(history[19].loss < 0.5 * history[0].loss);
  CHECK(history[19].val_accuracy == 1.0);
  CHECK(adam.steps() == 60);
}

TEST_CASE("Adam moves what learns at the time, wherever the model is") {
  for_each_device([] {
    Model model("two", {2, 2, 3});
    model.add(GlobalAveragePool("pool"));
    const Value first = model.add(Dense("first", 4));
    model.add(Dense("second", 3));
    model.initialize(1);
    Adam adam(model, {.learning_rate = 0.1});
    ColourSource source(8, 8);
    const BatchView batch = *source.next();
    const auto weights_of = [&](const char* layer) {
      return model.layer(layer).parameter("kernel").value.to(Device::cpu);
    };
    // Which of the two layers two steps move.
    const auto moved = [&] {
      const Tensor first_before = weights_of("first");
      const Tensor second_before = weights_of("second");
      Trainer trainer(model, adam);
      for (int i = 0; i < 2; ++i) trainer.step(batch, {.training = true});
      return std::pair(!equal_bytes(first_before, weights_of("first")),
                       !equal_bytes(second_before, weights_of("second")));
    };
    CHECK(moved() == std::pair(true, true));
    model.set_trainable(0, first, false);
    CHECK(moved() == std::pair(false, true));
    model.to(test_device);
    CHECK(moved() == std::pair(false, true));
    model.set_trainable(0, first, true);
    CHECK(moved() == std::pair(true, true));
  });
}

TEST_CASE("Adam refuses a parameter that begins to learn after others") {
  Model model = colour_model();
  model.add(Dense("late", 3));
  model.initialize(1);
  model.set_trainable(0, 1, false);
  Adam adam(model, {.learning_rate = 0.1});
  Trainer trainer(model, adam);
  ColourSource source(8, 8);
  const BatchView batch = *source.next();
  trainer.step(batch, {.training = true});
  model.set_trainable(0, 1, true);
  CHECK_THROWS_WITH_AS(trainer.step(batch, {.training = true}),
                       doctest::Contains("Adam: dense/kernel has begun to learn after others"),
                       Error);
}

TEST_CASE("epochs with a validation go on as graphs") {
  for_each_device([] {
    Model model = colour_model();
    model.to(test_device);
    Adam adam(model, {.learning_rate = 0.1});
    ColourSource training(40, 16);
    ColourSource validation(10, 16);
    struct : Callback {
      std::vector<int64_t> replays;
      void on_epoch_begin(int, int) override { replays.push_back(device_stats().replays); }
      void on_train_end(Model&) override { replays.push_back(device_stats().replays); }
    } counter;
    Callback* callbacks[] = {&counter};
    fit(model, adam, training, &validation, {.stage = "only", .epochs = 4}, callbacks);
    CHECK(counter.replays[4] - counter.replays[3] == (test_device == Device::cuda ? 3 : 0));
  });
}

TEST_CASE("the mean of an epoch weighs batches by their rows") {
  Model model = colour_model();
  Adam adam(model, {.learning_rate = 0.0f});
  ColourSource uneven(33, 32);
  ColourSource whole(33, 33);
  const double expected = evaluate(model, whole).loss;
  const History history = fit(model, adam, uneven, nullptr, {.stage = "still", .epochs = 1}, {});
  CHECK(history[0].loss == doctest::Approx(expected).epsilon(1e-6));
}

TEST_CASE("early stopping waits, stops, and gives the best weights back") {
  Model model = colour_model();
  EarlyStopping stopping(2);
  float& weight = model.layer("dense").parameter("kernel").value.data()[0];
  const double losses[] = {1.0, 0.5, 0.7, 0.6};
  bool go_on = true;
  int epoch = 0;
  for (double loss : losses) {
    REQUIRE(go_on);
    weight = static_cast<float>(++epoch);
    go_on = stopping.on_epoch_end(model, {.stage = "only", .epoch = epoch, .val_loss = loss});
  }
  CHECK_FALSE(go_on);
  CHECK(stopping.best_epoch() == 2);
  stopping.on_train_end(model);
  CHECK(weight == 2.0f);
}

TEST_CASE("a loss that is not a number stops training and names the step") {
  Model model = colour_model();
  Adam adam(model, {});
  ColourSource training(40, 16);
  training.images().data()[12 * 20] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(fit(model, adam, training, nullptr, {.stage = "frozen", .epochs = 3}, {}),
                       doctest::Contains("not a number at step 2 of epoch 1 (frozen)"), Error);
  CHECK(adam.steps() == 2);
}

TEST_CASE("a loss that is not a number in validation stops training and names the epoch") {
  Model model = colour_model();
  Adam adam(model, {});
  ColourSource training(40, 16);
  ColourSource validation(10, 4);
  validation.images().data()[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(fit(model, adam, training, &validation, {.stage = "only", .epochs = 3}, {}),
                       doctest::Contains("validation after epoch 1 (only)"), Error);
}

TEST_CASE("evaluate keeps the rows in order") {
  Model model = colour_model();
  ColourSource source(10, 4);
  const Evaluation evaluation = evaluate(model, source);
  CHECK(evaluation.probabilities.shape() == Shape{10, 3});
  CHECK(evaluation.labels == std::vector<int32_t>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0});
  for (int64_t row = 0; row < 10; ++row) {
    double total = 0;
    for (int64_t k = 0; k < 3; ++k) total += evaluation.probabilities.data()[3 * row + k];
    CHECK(total == doctest::Approx(1.0));
  }
}

}  // namespace ember
