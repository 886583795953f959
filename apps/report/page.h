#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/plots.h"
#include "apps/report/pictures.h"
#include "nn/summary.h"

namespace ember {

/// What report.html tells of a run.
struct ReportPage {
  std::string app;
  nlohmann::ordered_json args;  ///< as in args.json
  const StudyData& data;
  const TestResult& result;
  std::vector<Estimate> accuracies;  ///< of the model, and of what it has to beat
  std::vector<Estimate> balanced_accuracies;
  std::vector<History> folds;
  std::vector<LayerRow> layers;
  ByteTensor samples;
  std::vector<std::vector<Mistake>> mistakes;  ///< by true class
  double seconds = 0;
};

/// One self-contained HTML page, which needs no network and follows the viewer's light or dark
/// theme and the width of the screen.
std::string report_html(const ReportPage& page);

}  // namespace ember
