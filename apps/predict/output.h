#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/predict/prediction.h"
#include "data/classes.h"
#include "nn/metrics.h"

/// Predictions as text.
namespace ember {

/// What stands in all entries alike.
struct OutputColumns {
  Classes classes;
  bool boxes;  ///< and the true classes
};

/// A way to print predictions: `begin`, an entry for each, `end`. Nothing but the first entry
/// depends on others, so that they are printed as they come.
struct OutputFormat {
  std::string (*begin)(const OutputColumns& columns);
  std::string (*entry)(const std::filesystem::path& photo, const Prediction& prediction,
                       const OutputColumns& columns, bool first);
  std::string end;
};

extern const OutputFormat kTextOutput;  ///< a line for somebody who reads
extern const OutputFormat kJsonOutput;  ///< a list, an object a line
extern const OutputFormat kCsvOutput;   ///< RFC 4180, with the columns of predictions.csv

/// How many of the annotated faces are right.
std::string summary(int64_t faces, const ConfusionMatrix& confusion);

}  // namespace ember
