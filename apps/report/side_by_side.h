#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "nn/metrics.h"

namespace ember {

/// What the folder of a run that has come to its end tells.
struct FinishedRun {
  nlohmann::json settings;  ///< what of args.json may change its numbers, but for the protocol
  std::string command;
  std::string model;
  std::string protocol;
  std::vector<std::string> classes;
  ConfusionMatrix confusion;
  double calibration_error;
  double seconds;
};

/// Throws Error(no_input) where there is no finished run, Error(data) where its files are not as a
/// run writes them.
FinishedRun read_run(const std::filesystem::path& folder);

/// One self-contained page that lays runs side by side. Where two differ in nothing but the
/// protocol, `notebook` and `photos`, it says what the leak between training and test was worth.
std::string side_by_side_html(const std::vector<FinishedRun>& runs);

}  // namespace ember
