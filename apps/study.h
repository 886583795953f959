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

/// Reads weights to begin with. Throws Error(no_input) that says how to get them when there is no
/// such file, and Error(data) when they belong to another architecture.
ModelFile read_initial_weights(const std::filesystem::path& path, const std::string& architecture);

/// Takes over what the weights say and the user left open: the scale, and the classes of trained
/// weights. Warns of a scale that differs from the weights'; throws Error(usage) for other classes.
void adopt(const ModelDescription& weights, TrainingOptions& options);

/// The photos of --data-dir, or drawn ones; prints what there is.
Dataset load_study_data(const TrainingOptions& options);

/// One run: the stages of training, then the test. `options` are resolved and go to args.json.
class Study {
 public:
  /// Makes the run folder.
  Study(const std::string& app, const TrainingOptions& options, const Dataset& dataset);

  /// Trains what is trainable with a fresh Adam, early stopping and augmented batches.
  void fit(Model& model, const std::string& stage, int epochs, double learning_rate);

  /// Tests the model, prints the report, and writes all files of the run.
  void finish(Model& model, ModelDescription description);

 private:
  LoaderOptions loader_options(bool shuffle, bool augment) const;

  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  const TrainingOptions& options_;
  const Dataset& dataset_;
  std::string app_;
  RunFolder folder_;
  ProgressReport progress_;
  CsvLog log_;
  History history_;
  uint64_t steps_ = 0;
};

}  // namespace ember
