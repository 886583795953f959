#include "apps/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <set>
#include <system_error>
#include <utility>

#include "apps/plots.h"
#include "data/faces.h"
#include "nn/metrics.h"
#include "tensor/error.h"
#include "tensor/interrupt.h"
#include "tensor/temporary_folder.h"

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

struct TestResult {
  Evaluation evaluation;
  std::vector<size_t> predicted;
  ConfusionMatrix confusion;
};

TestResult test(Model& model, BatchSource& source, size_t classes) {
  TestResult result{evaluate(model, source), {}, ConfusionMatrix(classes)};
  for (size_t row = 0; row < result.evaluation.labels.size(); ++row) {
    const float* p = result.evaluation.probabilities.data() + row * classes;
    result.predicted.push_back(static_cast<size_t>(std::max_element(p, p + classes) - p));
    result.confusion.add(static_cast<size_t>(result.evaluation.labels[row]),
                         result.predicted.back());
  }
  return result;
}

std::string predictions_csv(const Dataset& dataset, const TestResult& result) {
  std::string csv = "file,row,true,predicted";
  for (const std::string& name : dataset.classes)
    csv.append(",").append(csv_field("probability_" + name));
  csv += "\n";
  const size_t classes = dataset.classes.size();
  for (size_t i = 0; i < result.predicted.size(); ++i) {
    const int64_t row = dataset.split.test[i];
    csv += fmt::format("{},{},{},{}", csv_field(dataset.rows[static_cast<size_t>(row)].file), row,
                       csv_field(dataset.classes[static_cast<size_t>(result.evaluation.labels[i])]),
                       csv_field(dataset.classes[result.predicted[i]]));
    for (size_t k = 0; k < classes; ++k) {
      csv += fmt::format(",{}", result.evaluation.probabilities.data()[i * classes + k]);
    }
    csv += "\n";
  }
  return csv;
}

Json report_json(const Dataset& dataset, const TestResult& result, const Model& model,
                 double seconds) {
  const ConfusionMatrix& confusion = result.confusion;
  const std::vector<ClassMetrics> metrics = per_class_metrics(confusion);
  Json per_class = Json::object();
  Json matrix = Json::array();
  for (size_t k = 0; k < dataset.classes.size(); ++k) {
    per_class[dataset.classes[k]] = {{"precision", metrics[k].precision},
                                     {"recall", metrics[k].recall},
                                     {"f1", metrics[k].f1},
                                     {"support", metrics[k].support}};
    Json row = Json::array();
    for (size_t predicted = 0; predicted < confusion.classes(); ++predicted) {
      row.push_back(confusion(k, predicted));
    }
    matrix.push_back(row);
  }
  return {
      {"test",
       {{"accuracy", accuracy(confusion)},
        {"balanced_accuracy", balanced_accuracy(confusion)},
        {"loss", result.evaluation.loss},
        {"per_class", per_class},
        {"confusion_matrix", matrix}}},
      {"classes", dataset.classes},
      {"parameters", {{"total", model.parameter_count()}, {"trainable", model.trainable_count()}}},
      {"split",
       {{"train", dataset.split.train.size()},
        {"validation", dataset.split.validation.size()},
        {"test", dataset.split.test.size()}}},
      {"seconds", seconds}};
}

std::string confusion_text(const ConfusionMatrix& confusion, const Classes& classes) {
  std::string text = "Confusion matrix (actual down, predicted across):\n";
  for (size_t truth = 0; truth < classes.size(); ++truth) {
    for (size_t k = 0; k < classes.size(); ++k) text += fmt::format("{:>8}", confusion(truth, k));
    text += fmt::format("  {}\n", classes[truth]);
  }
  return text;
}

Dataset load(const fs::path& folder, const TrainingOptions& options) {
  return load_dataset({.folder = folder,
                       .classes = options.classes,
                       .image_size = options.image_size,
                       .seed = static_cast<uint32_t>(options.seed),
                       .progress = nullptr});
}

Dataset draw_and_load(const TrainingOptions& options) {
  fmt::print("No --data-dir: drawing {} photos of faces.\n", options.drawn_photos);
  std::fflush(stdout);
  const TemporaryFolder temporary;
  const fs::path folder = temporary / "faces";
  write_face_photos(folder, options.drawn_photos, static_cast<uint64_t>(options.seed));
  return load(folder, options);
}

}  // namespace

std::optional<BatchView> LoaderSource::next() {
  check_interrupt();
  const Batch* batch = loader_.next();
  if (batch == nullptr) return std::nullopt;
  return BatchView{batch->images, batch->labels};
}

Dataset load_study_data(const TrainingOptions& options) {
  Dataset dataset =
      options.data_dir.empty() ? draw_and_load(options) : load(options.data_dir, options);
  std::set<int64_t> photos(dataset.photos.photo_of.begin(), dataset.photos.photo_of.end());
  fmt::print("{} rows after balancing, of {} photos: {} to train, {} to validate, {} to test.\n",
             dataset.row_count(), photos.size(), dataset.split.train.size(),
             dataset.split.validation.size(), dataset.split.test.size());
  if (dataset.photos.unreadable_count > 0) {
    fmt::print("{} photos could not be read; {} rows were skipped.\n",
               dataset.photos.unreadable_count, dataset.skipped_row_count);
  }
  fmt::print("Classes: {}\n", fmt::join(dataset.classes, ", "));
  std::fflush(stdout);
  return dataset;
}

Study::Study(const std::string& app, const TrainingOptions& options, const Dataset& dataset,
             ModelDescription description)
    : options_(options),
      dataset_(dataset),
      description_(std::move(description)),
      app_(app),
      folder_(options.output_dir, app),
      progress_(progress_style(options.progress), std::cout),
      log_(folder_) {
  description_.scale = options.scale;
  Json args = {{"app", app}, {"version", EMBER_VERSION}};
  args.update(to_json(options));
  args["classes"] = dataset.classes;
  args["output_dir"] = folder_.path().string();
  folder_.write("args.json", dump(args));
}

LoaderOptions Study::loader_options(bool shuffle, bool augment, Device device) const {
  return {.batch_size = options_.batch_size,
          .shuffle = shuffle,
          .augmentation = augment ? std::optional(AugmentationRanges{}) : std::nullopt,
          .scale = parse_scale(options_.scale),
          .seed = static_cast<uint64_t>(options_.seed),
          .device = device};
}

void Study::fit(Model& model, const std::string& stage, int epochs, double learning_rate) {
  fmt::print("\n{}: {} of {} parameters train\n", stage, model.trainable_count(),
             model.parameter_count());
  std::fflush(stdout);
  LoaderSource training(dataset_, dataset_.split.train, loader_options(true, true, model.device()));
  // The notebook augments validation too.
  LoaderSource validation(dataset_, dataset_.split.validation,
                          loader_options(false, true, model.device()));
  Adam adam(model, {.learning_rate = learning_rate});

  EarlyStopping early_stopping(options_.patience);
  const bool stops_early = options_.patience > 0;
  Checkpoint checkpoint(folder_.file("best.safetensors"), description_,
                        stops_early ? &early_stopping : nullptr);
  std::vector<Callback*> callbacks{&progress_, &log_};
  if (stops_early) callbacks.push_back(&early_stopping);
  callbacks.push_back(&checkpoint);

  const History stage_history = ember::fit(model, adam, training, &validation,
                                           {.stage = stage,
                                            .epochs = epochs,
                                            .seed = static_cast<uint64_t>(options_.seed),
                                            .first_step = steps_,
                                            .first_epoch = history_.size()},
                                           callbacks);
  history_.insert(history_.end(), stage_history.begin(), stage_history.end());
  steps_ += stage_history.size() * static_cast<uint64_t>(training.batch_count());
  if (stops_early && options_.progress != "none") {
    fmt::print("The weights are those of epoch {}, the best in validation.\n",
               early_stopping.best_epoch());
    std::fflush(stdout);
  }
}

void Study::finish(Model& model) {
  LoaderSource source(dataset_, dataset_.split.test, loader_options(false, false, model.device()));
  const TestResult result = test(model, source, dataset_.classes.size());
  const std::string report = classification_report(result.confusion, dataset_.classes);
  fmt::print("\nTest: accuracy {:.4f}, loss {:.4f}\n\n{}\n{}", accuracy(result.confusion),
             result.evaluation.loss, report, confusion_text(result.confusion, dataset_.classes));

  folder_.write("predictions.csv", predictions_csv(dataset_, result));
  folder_.write("report.txt", report);
  folder_.write("curves.svg", curves_svg(app_ + ": training", history_));
  folder_.write("confusion_matrix.svg", confusion_matrix_svg(app_ + ": confusion matrix",
                                                             result.confusion, dataset_.classes));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin_;
  folder_.write("report.json", dump(report_json(dataset_, result, model, taken.count())));
  fmt::print("\nResults: {}\n", folder_.path().string());
}

}  // namespace ember
