#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ember {

/// What is shown around a face where nothing else is said, per cent of its longer side.
inline constexpr double kDefaultMargin = 15;

/// What train_baseline and train_mobilenet can be asked for; the defaults are the notebook's, and
/// those of the protocol `faces` take their place where that is asked for.
struct TrainingOptions {
  std::filesystem::path data_dir;  ///< empty: drawn faces
  int drawn_photos = 400;
  std::vector<std::string> classes;  ///< empty: those of the weights, or of the data
  std::string protocol = "notebook";
  int folds = 1;                  ///< of a cross-validation; 1: one split
  std::filesystem::path split;    ///< a split.json; empty: split anew
  double margin = -1;             ///< around a face, per cent; negative: the weights', or 15
  int image_size = 128;           ///< pixels
  std::string scale;              ///< "unit", "symmetric", "imagenet"; empty: that of the weights
  std::string model;              ///< name of an architecture
  double width = 0;               ///< its width multiplier; 0: that of the weights, or 1
  std::filesystem::path weights;  ///< empty: random initial weights

  int epochs = 10;
  double lr = 1e-3;
  int patience = 0;  ///< epochs without a better val_loss before a stage ends; 0: no early stopping
  int batch_size = 32;
  int64_t seed = 1;

  bool finetune = false;
  int finetune_epochs = 5;
  double finetune_lr = 1e-4;
  std::string train_from;  ///< first layer that fine-tuning trains; empty: all

  std::string device = "auto";
  std::string conv = "auto";
  int threads = 0;  ///< 0: as many as the process may run on

  std::filesystem::path output_dir;  ///< empty: runs/<app>-<n>
  std::filesystem::path resume;      ///< a run's folder; empty: a new run
  std::string command;               ///< as it was given
  std::string progress = "auto";     ///< "auto", "bar", "line", "none"
};

/// Declares the options of train_baseline. What is out of range fails while the arguments are
/// parsed.
void add_baseline_options(CLI::App& app, TrainingOptions& options);

/// Declares the options of train: the same and those of the network.
void add_network_options(CLI::App& app, TrainingOptions& options);

/// Declares the options of train_mobilenet: the same and those of the pretrained weights and of
/// fine-tuning.
void add_mobilenet_options(CLI::App& app, TrainingOptions& options);

/// The options as args.json holds them: files and folders by their whole names.
nlohmann::ordered_json to_json(const TrainingOptions& options);

/// The options of the run that `options.resume` names, with the threads and the progress of
/// `options`. Throws Error(no_input) when there is no such run, Error(data) when its args.json is
/// not one of `app`.
TrainingOptions options_to_resume(const TrainingOptions& options, const std::string& app);

}  // namespace ember
