#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "apps/checkpoint.h"
#include "apps/progress.h"
#include "apps/protocol.h"
#include "apps/run_folder.h"
#include "apps/run_state.h"
#include "apps/study_data.h"
#include "apps/test_result.h"
#include "apps/training_options.h"
#include "data/loader.h"
#include "nn/model_file.h"
#include "nn/summary.h"

/// What the two training programs share: stages of training, tests, and the files of a run.
namespace ember {

/// Weights by their names, `layer/variable`.
using Weights = std::map<std::string, Tensor>;

/// One run: for each fold of the data, of which there mostly is one, the stages of training and the
/// test of a model of its own. The files of a fold among several stand in a folder `fold-<n>`.
class Study {
 public:
  /// Makes the run folder. It goes again with the study when not even one epoch has been trained.
  /// `options` are resolved and go to args.json, `description` is that of the model, `initial` are
  /// the weights of a file that it begins with, if any.
  Study(const std::string& app, const TrainingOptions& options, const StudyData& data,
        ModelDescription description, const Weights& initial);

  /// Begins the next fold; false when there is none.
  bool begin_fold();

  /// Prints the layer table, in the first fold.
  void print_summary(const Model& model) const;

  /// Trains what is trainable with a fresh Adam, early stopping and augmented batches. Each epoch
  /// leaves its line in results.csv and, where it is the best so far, best.safetensors.
  void fit(Model& model, const std::string& stage, int epochs, double learning_rate);

  /// Tests the model of the current fold.
  void test(Model& model);

  /// Prints the report and writes the other files of the run, report.json last.
  void finish();

 private:
  class Keeper;

  const Split& split() const { return data_.folds[state_.folds.size() - 1]; }
  History& history() { return state_.folds.back().history; }
  /// Begins where the checkpoint of the run to be resumed was written.
  void read_checkpoint();
  /// Takes the state that the run was in, where that was in the current stage.
  FitPosition take_up(Model& model, Adam& adam, EarlyStopping& early_stopping);
  /// What the model of a fold says of the rows that it was tested on.
  TestResult test_of(size_t fold) const;
  /// The sizes of the split, or the folds with what they came to.
  nlohmann::ordered_json splits_json() const;
  double seconds() const;  ///< that the run has taken
  /// Before the names of the current fold's files.
  std::string prefix() const;
  std::string title(const std::string& what) const;
  LoaderOptions loader_options(bool training, Device device) const;
  void print_faces_report(const TestResult& result, const TestResult& majority,
                          const TestResult& linear) const;

  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  const TrainingOptions& options_;
  const StudyData& data_;
  const Protocol protocol_;
  const TrainingRules& rules_;
  ModelDescription description_;
  std::string app_;
  RunFolder folder_;
  ProgressReport progress_;
  Checkpoints checkpoints_;
  nlohmann::ordered_json args_;
  RunState state_;
  std::optional<RunState> resumed_;  ///< until the run is where it was
  double seconds_before_ = 0;        ///< it was interrupted
  std::vector<LayerRow> layers_;     ///< of the last model
};

}  // namespace ember
