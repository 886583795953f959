// Lesson 3: BatchNorm and transfer learning. 3_transfer.md tells the story.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "apps/program.h"
#include "data/scaling.h"
#include "docs/lessons/3_batch_norm.h"
#include "docs/lessons/3_faces.h"
#include "kernels/softmax_cross_entropy.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/dense.h"
#include "nn/global_average_pool.h"
#include "nn/model.h"
#include "nn/relu.h"
#include "nn/train.h"

namespace ember {
namespace {

constexpr int64_t kBatch = 32;
constexpr const char* kHead = "dense";

/// Three convolutions of stride 2, each with BatchNorm and ReLU, then the mean over the image and a
/// dense layer: 40x40x3 -> 20x20x16 -> 10x10x32 -> 5x5x64 -> 64 -> classes.
Model make_model(int64_t classes, uint64_t seed) {
  Model model("faces", {kFaceSide, kFaceSide, 3});
  int64_t filters = 16;
  for (const std::string number : {"1", "2", "3"}) {
    model.add(Conv2D("conv_" + number, {.filters = filters,
                                        .strides = {2, 2},
                                        .padding = PaddingRule::same,
                                        .pixels = {},
                                        .bias = false}));
    // A momentum of 0.9 forgets within some 10 steps; Keras's 0.999 wants thousands.
    model.add(BatchNorm("bn_" + number, 1e-3f, 0.9f));
    model.add(ReLU("relu_" + number));
    filters *= 2;
  }
  model.add(GlobalAveragePool("pool"));
  model.add(Dense(kHead, classes));
  model.initialize(seed);
  return model;
}

/// The base is everything but the head.
void freeze_base(Model& model, bool frozen) { model.set_trainable(0, model.last() - 1, !frozen); }

void copy_parameters(Model& from, Model& to, bool with_head) {
  from.for_each_parameter([&](Layer& layer, Parameter& parameter) {
    if (layer.name() == kHead && !with_head) return;
    to.layer(layer.name()).parameter(parameter.variable).value.copy_from(parameter.value);
  });
}

void train(Model& model, const Faces& faces, int epochs, double rate, uint64_t seed) {
  Adam adam(model, {.learning_rate = rate});
  FaceBatches batches(faces, kBatch, seed);
  fit(model, adam, batches, nullptr, {.stage = "lesson", .epochs = epochs}, {});
}

double accuracy(Model& model, const Faces& faces) {
  FaceBatches batches(faces, kBatch, 1);
  return evaluate(model, batches).accuracy;
}

// ---- Why a network at work uses moving statistics ----

/// The probability of class 0 for the first of some faces, seen in one batch with the others.
float probability_of_first(Model& model, const Faces& faces, bool batch_statistics) {
  Tensor images(faces.pixels.shape());
  scale_pixels(faces.pixels, Scale::symmetric, images);
  Tensor probabilities({images.dim(0), 2});
  softmax(model.forward(images, {.training = batch_statistics}), probabilities);
  return probabilities.data()[0];
}

/// `company` has faces of two classes, half of each. Batches: one face with each half, and with
/// both.
void show_company(Model& pretrained, const Faces& company) {
  Model model = make_model(2, 1);
  copy_parameters(pretrained, model, true);
  const int64_t half = company.pixels.dim(0) / 2;
  struct Row {
    const char* name;
    int64_t first;
    int64_t count;
  };
  fmt::print("\nThe same masked face in three batches: the probability of a mask\n\n");
  fmt::print("{:<24} {:>17} {:>18}\n", "with", "batch statistics", "moving statistics");
  std::vector<float> moving;
  std::vector<float> batch;
  for (const Row& row : {Row{"masked faces", 1, half - 1}, Row{"bare faces", half, half},
                         Row{"masked and bare faces", 1, 2 * half - 1}}) {
    Faces faces{ByteTensor(company.pixels.shape().with_rows(1 + row.count)), {}};
    faces.pixels.rows(0, 1).copy_from(company.pixels.rows(0, 1));
    faces.pixels.rows(1, 1 + row.count)
        .copy_from(company.pixels.rows(row.first, row.first + row.count));
    moving.push_back(probability_of_first(model, faces, false));
    batch.push_back(probability_of_first(model, faces, true));  // moves the moving ones as well
    copy_parameters(pretrained, model, true);
    fmt::print("{:<24} {:>17.4f} {:>18.4f}\n", row.name, batch.back(), moving.back());
  }
  EMBER_REQUIRE(std::all_of(moving.begin(), moving.end(), [&](float p) { return p == moving[0]; }),
                "with moving statistics a face depends on its company");
  EMBER_REQUIRE(batch[0] != batch[1], "with batch statistics a face does not depend on it");
}

// ---- Transfer ----

struct Way {
  const char* name;
  double accuracy = 0;
};

/// Trains on few faces in three ways and adds the accuracy of each on `test`.
void add_trial(Model& pretrained, const Faces& few, const Faces& test, uint64_t seed,
               std::array<Way, 3>& ways) {
  Model scratch = make_model(2, seed);
  train(scratch, few, 60, 3e-3, seed);
  ways[0].accuracy += accuracy(scratch, test);

  Model model = make_model(2, seed);
  copy_parameters(pretrained, model, false);
  freeze_base(model, true);
  train(model, few, 100, 1e-2, seed);
  ways[1].accuracy += accuracy(model, test);

  freeze_base(model, false);
  train(model, few, 20, 3e-4, seed);
  ways[2].accuracy += accuracy(model, test);
}

std::string bar(double share) {
  std::string text;
  for (int64_t i = 0; i < std::lround(share * 40); ++i) text += "█";
  return text;
}

struct Options {
  int64_t pretraining = 300;
  int64_t trials = 3;
  uint64_t seed = 1;
  std::string sheet = "faces.jpg";
};

void run_lesson(const Options& options) {
  show_batch_norm();

  // Of each class, the first faces are the few to learn from, the next the test, the rest for
  // pretraining.
  constexpr int64_t kMostFew = 60;
  constexpr int64_t kTest = 100;
  constexpr int64_t kRest = kMostFew + kTest;
  const std::string mask = "with_mask", bare = "without_mask", wrong = "mask_weared_incorrect";
  const FaceAlbum album = draw_faces(
      {{mask, kRest + options.pretraining}, {bare, kRest + options.pretraining}, {wrong, kRest}},
      options.seed);
  write_sheet(options.sheet, take(album, {mask, bare, wrong}, 0, 12), 12);
  fmt::print("\nFaces with a mask, without, with one worn wrong: {}\n", options.sheet);

  Model pretrained = make_model(2, options.seed);
  const Faces many = take(album, {mask, bare}, kRest, options.pretraining);
  train(pretrained, many, 8, 3e-3, options.seed);
  fmt::print(
      "\nPretrained to tell masks from bare faces, on {} of each: accuracy {:.3f} on {} others\n",
      options.pretraining, accuracy(pretrained, take(album, {mask, bare}, kMostFew, kTest)),
      2 * kTest);

  show_company(pretrained, take(album, {mask, bare}, kMostFew, kBatch));

  fmt::print("\nWorn right or wrong? Accuracy on {} faces, trials: {} (0.5 is a guess)\n",
             2 * kTest, options.trials);
  const Faces test = take(album, {mask, wrong}, kMostFew, kTest);
  for (const int64_t count : {int64_t{5}, int64_t{15}, kMostFew}) {
    std::array<Way, 3> ways{{{"from scratch"}, {"frozen base"}, {"then fine-tuned"}}};
    for (int64_t trial = 0; trial < options.trials; ++trial) {
      const int64_t first = std::min(trial * count, kMostFew - count);
      add_trial(pretrained, take(album, {mask, wrong}, first, count), test,
                options.seed + static_cast<uint64_t>(trial), ways);
    }
    fmt::print("\n{} faces of each to learn from\n", count);
    for (Way& way : ways) {
      way.accuracy /= static_cast<double>(options.trials);
      fmt::print("  {:<16} {:.3f}  {}\n", way.name, way.accuracy, bar(way.accuracy));
    }
    EMBER_REQUIRE(count > 5 || ways[1].accuracy > ways[0].accuracy + 0.05,
                  "transfer does not help");
  }
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): a broken option table
  ember::Options options;
  CLI::App app("Lesson 3: BatchNorm and transfer learning", "lesson_3_transfer");
  app.add_option("--pretraining", options.pretraining, "Faces of each class to pretrain on")
      ->capture_default_str()
      ->check(CLI::Range(50, 5000));
  app.add_option("--trials", options.trials, "Trials to take the mean of")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  app.add_option("--seed", options.seed, "Another seed draws other faces")->capture_default_str();
  app.add_option("--sheet", options.sheet, "Where to show some of the faces")
      ->capture_default_str();
  return ember::run_program(app, argc, argv, [&] { ember::run_lesson(options); });
}
