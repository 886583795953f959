#include "apps/run_state.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace ember {
namespace {

using Json = nlohmann::ordered_json;

// JSON has no NaN, which stands for a loss that nobody has measured.
Json number(double value) { return std::isnan(value) ? Json() : Json(value); }
double number(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

Json to_json(const EpochResult& epoch) {
  return {{"stage", epoch.stage},
          {"epoch", epoch.epoch},
          {"loss", epoch.loss},
          {"accuracy", epoch.accuracy},
          {"val_loss", number(epoch.val_loss)},
          {"val_accuracy", number(epoch.val_accuracy)},
          {"learning_rate", epoch.learning_rate},
          {"steps", epoch.steps},
          {"seconds", epoch.seconds},
          {"ms_per_step", epoch.ms_per_step},
          {"ms_waited", epoch.ms_waited}};
}

EpochResult to_epoch(const Json& json) {
  return {.stage = json.at("stage"),
          .epoch = json.at("epoch"),
          .loss = json.at("loss"),
          .accuracy = json.at("accuracy"),
          .val_loss = number(json.at("val_loss")),
          .val_accuracy = number(json.at("val_accuracy")),
          .learning_rate = json.at("learning_rate"),
          .steps = json.at("steps"),
          .seconds = json.at("seconds"),
          .ms_per_step = json.at("ms_per_step"),
          .ms_waited = json.at("ms_waited")};
}

Json to_json(const FitPosition& position) {
  return {{"epoch", position.epoch},
          {"step", position.step},
          {"loss", position.totals.sum.loss},
          {"correct", position.totals.sum.correct},
          {"rows", position.totals.rows}};
}

FitPosition to_position(const Json& json) {
  return {.epoch = json.at("epoch"),
          .step = json.at("step"),
          .totals = {.sum = {.loss = json.at("loss"), .correct = json.at("correct")},
                     .rows = json.at("rows")}};
}

// Tensors of one kind stand under a common prefix.
constexpr std::string_view kWeights = "weights/";
constexpr std::string_view kAverages = "adam/";
constexpr std::string_view kBest = "best/";
constexpr std::string_view kProbabilities = "probabilities/";

void add(std::map<std::string, Tensor>& tensors, std::string_view prefix,
         const std::map<std::string, Tensor>& more) {
  for (const auto& [name, tensor] : more)
    tensors.emplace(fmt::format("{}{}", prefix, name), tensor);
}

std::map<std::string, Tensor> under(std::string_view prefix,
                                    const std::map<std::string, Tensor>& tensors) {
  std::map<std::string, Tensor> found;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) found.emplace(name.substr(prefix.size()), tensor);
  }
  return found;
}

}  // namespace

Checkpoint to_checkpoint(const RunState& state) {
  Checkpoint checkpoint;
  Json folds = Json::array();
  for (size_t k = 0; k < state.folds.size(); ++k) {
    const RunState::Fold& fold = state.folds[k];
    Json epochs = Json::array();
    for (const EpochResult& epoch : fold.history) epochs.push_back(to_json(epoch));
    folds.push_back({{"epochs", epochs}, {"test_loss", fold.test_loss}});
    if (!fold.probabilities.empty()) {
      checkpoint.tensors.emplace(fmt::format("{}{}", kProbabilities, k), fold.probabilities);
    }
  }
  const EarlyStopping::State& stopping = state.early_stopping;
  const Json json = {{"data_checksum", state.data_checksum},
                     {"seconds", state.seconds},
                     {"folds", folds},
                     {"stage", state.stage},
                     {"position", to_json(state.position)},
                     {"adam_steps", state.adam_steps},
                     {"early_stopping",
                      {{"best_epoch", stopping.best_epoch},
                       {"waited", stopping.waited},
                       {"best_loss", stopping.best_loss}}}};
  checkpoint.state = json.dump();
  add(checkpoint.tensors, kWeights, state.weights);
  add(checkpoint.tensors, kAverages, state.averages);
  for (size_t k = 0; k < stopping.best_weights.size(); ++k) {
    checkpoint.tensors.emplace(fmt::format("{}{:04}", kBest, k), stopping.best_weights[k]);
  }
  return checkpoint;
}

RunState to_run_state(const Checkpoint& checkpoint) {
  try {
    const Json json = Json::parse(checkpoint.state);
    RunState state{.data_checksum = json.at("data_checksum"),
                   .seconds = json.at("seconds"),
                   .folds = {},
                   .stage = json.at("stage"),
                   .position = to_position(json.at("position")),
                   .weights = under(kWeights, checkpoint.tensors),
                   .adam_steps = json.at("adam_steps"),
                   .averages = under(kAverages, checkpoint.tensors),
                   .early_stopping = {}};
    for (const Json& fold : json.at("folds")) {
      RunState::Fold& own = state.folds.emplace_back();
      own.test_loss = fold.at("test_loss");
      for (const Json& epoch : fold.at("epochs")) own.history.push_back(to_epoch(epoch));
    }
    for (const auto& [name, tensor] : under(kProbabilities, checkpoint.tensors)) {
      state.folds.at(std::stoul(name)).probabilities = tensor;
    }
    const Json& stopping = json.at("early_stopping");
    state.early_stopping = {.best_epoch = stopping.at("best_epoch"),
                            .waited = stopping.at("waited"),
                            .best_loss = stopping.at("best_loss"),
                            .best_weights = {}};
    for (const auto& item : under(kBest, checkpoint.tensors)) {
      state.early_stopping.best_weights.push_back(item.second);
    }
    return state;
  } catch (const std::exception& error) {  // of JSON, or of a number that is none
    fail(ExitCode::data, "the checkpoint is not as a run writes it ({}); start a new run",
         error.what());
  }
}

}  // namespace ember
