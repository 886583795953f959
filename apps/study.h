#pragma once

#include <chrono>
#include <string>

#include "apps/options.h"
#include "apps/progress.h"
#include "apps/run_folder.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "nn/model_file.h"
#include "nn/train.h"

/// What the two training programs share: the study's data, its stages, its test and its files.
namespace ember {

/// A loader as the training loop takes it.
class LoaderSource : public BatchSource {
 public:
  LoaderSource(const Dataset& dataset, const std::vector<int64_t>& rows,
               const LoaderOptions& options)
      : loader_(dataset, rows, options) {}

  int64_t batch_count() const override { return loader_.batch_count(); }
  void start_epoch(uint64_t epoch) override { loader_.start_epoch(epoch); }
  std::optional<BatchView> next() override;

 private:
  Loader loader_;
};

/// The photos of --data-dir, or drawn ones; prints what there is.
Dataset load_study_data(const TrainingOptions& options);

/// One run: the stages of training, then the test. `options` are resolved and go to args.json,
/// `description` is that of the model.
class Study {
 public:
  /// Makes the run folder. It goes again with the study when not even one epoch has been trained.
  Study(const std::string& app, const TrainingOptions& options, const Dataset& dataset,
        ModelDescription description);

  /// Trains what is trainable with a fresh Adam, early stopping and augmented batches. Each epoch
  /// leaves its line in results.csv and, where it is the best so far, best.safetensors.
  void fit(Model& model, const std::string& stage, int epochs, double learning_rate);

  /// Tests the model, prints the report, and writes the other files of the run, report.json last.
  void finish(Model& model);

 private:
  LoaderOptions loader_options(bool shuffle, bool augment, Device device) const;

  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  const TrainingOptions& options_;
  const Dataset& dataset_;
  ModelDescription description_;
  std::string app_;
  RunFolder folder_;
  ProgressReport progress_;
  CsvLog log_;
  History history_;
  uint64_t steps_ = 0;
};

}  // namespace ember
