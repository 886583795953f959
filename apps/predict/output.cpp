#include "apps/predict/output.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/run_folder.h"
#include "apps/test_result.h"

namespace ember {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string no_text(const OutputColumns& /*columns*/) { return ""; }

std::string text_entry(const fs::path& photo, const Prediction& prediction,
                       const OutputColumns& columns, bool /*first*/) {
  std::string line = photo.string();
  if (const auto& box = prediction.box) {
    line += fmt::format(" ({}, {}) to ({}, {})", box->xmin, box->ymin, box->xmax, box->ymax);
  }
  line += fmt::format(": {}", columns.classes[prediction.predicted()]);
  const char* separator = "  (";
  for (size_t k = 0; k < columns.classes.size(); ++k) {
    line += fmt::format("{}{} {:.4f}", separator, columns.classes[k], prediction.probabilities[k]);
    separator = ", ";
  }
  line += ")";
  if (prediction.truth) line += fmt::format("  true: {}", columns.classes[*prediction.truth]);
  return line + "\n";
}

std::string json_begin(const OutputColumns& /*columns*/) { return "["; }

std::string json_entry(const fs::path& photo, const Prediction& prediction,
                       const OutputColumns& columns, bool first) {
  Json json{{"file", photo.string()}};
  if (const auto& box = prediction.box) {
    json["box"] = {
        {"xmin", box->xmin}, {"ymin", box->ymin}, {"xmax", box->xmax}, {"ymax", box->ymax}};
  }
  if (prediction.truth) json["true"] = columns.classes[*prediction.truth];
  json["class"] = columns.classes[prediction.predicted()];
  for (size_t k = 0; k < columns.classes.size(); ++k) {
    json["probabilities"][columns.classes[k]] = prediction.probabilities[k];
  }
  // A file name that is no UTF-8 must not end a run.
  return (first ? "\n  " : ",\n  ") + json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string csv_begin(const OutputColumns& columns) {
  std::string line = columns.boxes ? "file,xmin,ymin,xmax,ymax,true,predicted" : "file,predicted";
  for (const std::string& name : columns.classes) {
    line.append(",").append(csv_field("probability_" + name));
  }
  return line + "\n";
}

std::string csv_entry(const fs::path& photo, const Prediction& prediction,
                      const OutputColumns& columns, bool /*first*/) {
  std::string line = csv_field(photo.string());
  if (columns.boxes) {
    const Box& box = *prediction.box;
    line += fmt::format(",{},{},{},{},{}", box.xmin, box.ymin, box.xmax, box.ymax,
                        prediction.truth ? csv_field(columns.classes[*prediction.truth]) : "");
  }
  line.append(",").append(csv_field(columns.classes[prediction.predicted()]));
  for (const float probability : prediction.probabilities) line += fmt::format(",{}", probability);
  return line + "\n";
}

}  // namespace

const OutputFormat kTextOutput{no_text, text_entry, ""};
const OutputFormat kJsonOutput{json_begin, json_entry, "\n]\n"};
const OutputFormat kCsvOutput{csv_begin, csv_entry, ""};

std::string summary(int64_t faces, const ConfusionMatrix& confusion) {
  const int64_t known = confusion.total();
  std::string text = fmt::format("{} faces", faces);
  if (known < faces) text += fmt::format(", {} of a class of the model", known);
  if (known == 0) return text + "\n";
  return text + fmt::format(", {} right: {}\n", confusion.correct(), accuracies_text(confusion));
}

}  // namespace ember
