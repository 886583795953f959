#include "apps/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <utility>

#include "apps/floors.h"
#include "apps/loader_source.h"
#include "apps/plots.h"
#include "tensor/error.h"

namespace ember {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A file name or label that is no UTF-8 must not end a run.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// Keeps the weights of each epoch, with `early_stopping` of the best ones only, so that a run
/// which does not reach its end still leaves them.
class Checkpoint : public Callback {
 public:
  Checkpoint(fs::path file, const ModelDescription& description,
             const EarlyStopping* early_stopping)
      : file_(std::move(file)), description_(description), early_stopping_(early_stopping) {}

  bool on_epoch_end(Model& model, const EpochResult& result) override {
    if (early_stopping_ == nullptr || early_stopping_->best_epoch() == result.epoch) {
      save_model(file_, model, description_);
    }
    return true;
  }

 private:
  fs::path file_;
  const ModelDescription& description_;
  const EarlyStopping* early_stopping_;
};

/// The classes' shares of a batch: their shares of `rows`, evened out by a power.
std::vector<double> class_shares(const Dataset& dataset, const std::vector<int64_t>& rows,
                                 double power) {
  std::vector<double> shares(dataset.classes.size());
  for (const int64_t row : rows) {
    ++shares[static_cast<size_t>(dataset.labels[static_cast<size_t>(row)])];
  }
  double sum = 0;
  for (double& share : shares) sum += share = share == 0 ? 0 : std::pow(share, power);
  for (double& share : shares) share /= sum;
  return shares;
}

/// A tenth of a stage, at most this many steps, in which the learning rate rises.
constexpr int64_t kMostWarmup = 100;

Json accuracies_json(const ConfusionMatrix& confusion) {
  return {{"accuracy", accuracy(confusion)}, {"balanced_accuracy", balanced_accuracy(confusion)}};
}

std::string accuracies_text(const ConfusionMatrix& confusion) {
  return fmt::format(
      "accuracy {}, balanced accuracy {}",
      with_interval(accuracy(confusion), wilson_interval(confusion.correct(), confusion.total())),
      with_interval(balanced_accuracy(confusion), balanced_accuracy_interval(confusion)));
}

}  // namespace

Study::Study(const std::string& app, const TrainingOptions& options, const StudyData& data,
             ModelDescription description)
    : options_(options),
      data_(data),
      rules_(rules_of(parse_protocol(options.protocol))),
      description_(std::move(description)),
      app_(app),
      folder_(options.output_dir, app),
      progress_(progress_style(options.progress), std::cout) {
  description_.scale = options.scale;
  Json args = {{"app", app}, {"version", EMBER_VERSION}};
  args.update(to_json(options));
  args["classes"] = data.dataset().classes;
  args["output_dir"] = folder_.path().string();
  folder_.write("args.json", dump(args));
  if (!data.split_json.empty()) folder_.write("split.json", data.split_json);
}

bool Study::begin_fold() {
  if (folds_.size() == data_.folds.size()) return false;
  folds_.emplace_back();
  steps_ = 0;
  if (data_.folds.size() > 1) {
    fmt::print("\nFold {} of {}: {} faces to train, {} to test\n", folds_.size(),
               data_.folds.size(), split().train.size(), split().test.size());
    folder_.make_folder(prefix());
  }
  return true;
}

void Study::print_summary(const Model& model) const {
  if (folds_.size() > 1) return;
  fmt::print("\n{}", format_summary(model.name(), model.summary()));
}

std::string Study::prefix() const {
  return data_.folds.size() == 1 ? "" : fmt::format("fold-{}/", folds_.size());
}

std::string Study::title(const std::string& what) const {
  return data_.folds.size() == 1 ? fmt::format("{}: {}", app_, what)
                                 : fmt::format("{}, fold {}: {}", app_, folds_.size(), what);
}

LoaderOptions Study::loader_options(bool training, Device device) const {
  LoaderOptions loader{.batch_size = options_.batch_size,
                       .shuffle = training,
                       .augmentation = std::nullopt,
                       .class_shares = {},
                       .scale = parse_scale(options_.scale),
                       .seed = static_cast<uint64_t>(options_.seed),
                       .device = device};
  if (training) {
    loader.augmentation = rules_.augmentation;
    if (rules_.balance) {
      loader.class_shares = class_shares(data_.dataset(), split().train, *rules_.balance);
    }
  }
  return loader;
}

void Study::fit(Model& model, const std::string& stage, int epochs, double learning_rate) {
  fmt::print("\n{}: {} of {} parameters train\n", stage, model.trainable_count(),
             model.parameter_count());
  std::fflush(stdout);
  const Dataset& dataset = data_.dataset();
  LoaderSource training(dataset, split().train, loader_options(true, model.device()));
  LoaderOptions validation_options = loader_options(false, model.device());
  if (rules_.augments_validation) validation_options.augmentation = rules_.augmentation;
  std::optional<LoaderSource> validation;
  if (!split().validation.empty()) {
    validation.emplace(dataset, split().validation, validation_options);
  }
  Adam adam(model, {.learning_rate = learning_rate});

  EarlyStopping early_stopping(options_.patience);
  const bool stops_early = options_.patience > 0 && validation.has_value();
  Checkpoint checkpoint(folder_.file(prefix() + "best.safetensors"), description_,
                        stops_early ? &early_stopping : nullptr);
  CsvLog log(folder_, prefix() + "results.csv", history());
  std::vector<Callback*> callbacks{&progress_, &log};
  if (stops_early) callbacks.push_back(&early_stopping);
  callbacks.push_back(&checkpoint);

  const int64_t steps = epochs * training.batch_count();
  FitOptions fit_options{.stage = stage,
                         .epochs = epochs,
                         .seed = static_cast<uint64_t>(options_.seed),
                         .first_step = steps_,
                         .first_epoch = history().size(),
                         .schedule = {}};
  if (rules_.has_schedule) {
    fit_options.schedule = warmup_cosine(learning_rate, std::min(steps / 10, kMostWarmup), steps);
  }
  const History stage_history = ember::fit(
      model, adam, training, validation ? &*validation : nullptr, fit_options, callbacks);
  history().insert(history().end(), stage_history.begin(), stage_history.end());
  steps_ += stage_history.size() * static_cast<uint64_t>(training.batch_count());
  if (stops_early && options_.progress != "none") {
    fmt::print("The weights are those of epoch {}, the best in validation.\n",
               early_stopping.best_epoch());
    std::fflush(stdout);
  }
}

void Study::test(Model& model) {
  LoaderSource source(data_.dataset(), split().test, loader_options(false, model.device()));
  folds_.back().test = ember::test(model, source, split().test);
  parameter_count_ = model.parameter_count();
  trainable_count_ = model.trainable_count();
  folder_.write(prefix() + "curves.svg", curves_svg(title("training"), history()));
  if (data_.folds.size() > 1) {
    fmt::print("Fold {}: {}\n", folds_.size(), accuracies_text(folds_.back().test.confusion()));
    std::fflush(stdout);
  }
}

void Study::finish() {
  const Dataset& dataset = data_.dataset();
  TestResult result;
  for (const FoldResult& fold : folds_) result.append(fold.test);
  const ConfusionMatrix confusion = result.confusion();
  const std::string report = classification_report(confusion, dataset.classes);
  fmt::print("\nTest: accuracy {:.4f}, loss {:.4f}\n\n{}\n{}", accuracy(confusion), result.loss,
             report, confusion_text(confusion, dataset.classes));

  Json json = {{"test", metrics_json(result, dataset)},
               {"classes", dataset.classes},
               {"parameters", {{"total", parameter_count_}, {"trainable", trainable_count_}}}};
  const auto sizes = [](const Split& split) {
    return Json{{"train", split.train.size()},
                {"validation", split.validation.size()},
                {"test", split.test.size()}};
  };
  if (data_.folds.size() == 1) {
    json["split"] = sizes(data_.folds.front());
  } else {
    json["folds"] = Json::array();
    for (size_t k = 0; k < folds_.size(); ++k) {
      Json fold = sizes(data_.folds[k]);
      fold.update(accuracies_json(folds_[k].test.confusion()));
      json["folds"].push_back(fold);
    }
  }
  if (!data_.split_json.empty()) {
    TestResult majority;
    TestResult thumbnails;
    for (const Split& split : data_.folds) {
      majority.append(majority_floor(dataset, split));
      thumbnails.append(thumbnail_floor(dataset, split, static_cast<uint64_t>(options_.seed)));
    }
    json["floors"] = {{"majority", accuracies_json(majority.confusion())},
                      {"thumbnails", accuracies_json(thumbnails.confusion())}};
    print_faces_report(result, majority, thumbnails);
  }

  folder_.write("predictions.csv", predictions_csv(dataset, result));
  folder_.write("report.txt", report);
  folder_.write("confusion_matrix.svg",
                confusion_matrix_svg(app_ + ": confusion matrix", confusion, dataset.classes));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin_;
  json["seconds"] = taken.count();
  folder_.write("report.json", dump(json));
  fmt::print("\nResults: {}\n", folder_.path().string());
}

void Study::print_faces_report(const TestResult& result, const TestResult& majority,
                               const TestResult& thumbnails) const {
  fmt::print("\nWith 95 % intervals: {}\n", accuracies_text(result.confusion()));
  fmt::print("A linear model of 24-pixel thumbnails: {}\n",
             accuracies_text(thumbnails.confusion()));
  fmt::print("Always the most frequent class: {}\n", accuracies_text(majority.confusion()));
  fmt::print("\nFace size, pixels     faces  accuracy  balanced\n");
  for (const auto& [from, to, confusion] : by_face_size(result, data_.dataset())) {
    const std::string range =
        to == 0 ? fmt::format("{} or more", from) : fmt::format("{} to {}", from, to - 1);
    fmt::print("{:<18}{:>9}{:>10.4f}{:>10.4f}\n", range, confusion.total(), accuracy(confusion),
               balanced_accuracy(confusion));
  }
}

}  // namespace ember
