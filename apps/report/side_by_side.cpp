#include "apps/report/side_by_side.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/plots.h"
#include "apps/protocol.h"
#include "apps/report/html.h"
#include "tensor/error.h"

namespace ember {
namespace {

using Json = nlohmann::json;

Json read_json(const std::filesystem::path& path) {
  std::ifstream stream(path);
  if (!stream) {
    fail(ExitCode::no_input, "{}: cannot be read; give folders of runs that have ended",
         path.string());
  }
  Json json = Json::parse(stream, nullptr, false);
  if (json.is_discarded()) fail(ExitCode::data, "{}: is no JSON; run it anew", path.string());
  return json;
}

ConfusionMatrix to_confusion(const Json& matrix) {
  ConfusionMatrix counts(matrix.size());
  for (size_t truth = 0; truth < matrix.size(); ++truth) {
    for (size_t k = 0; k < matrix.size(); ++k) counts.add(truth, k, matrix.at(truth).at(k));
  }
  return counts;
}

std::string title(const FinishedRun& run) { return fmt::format("{}, {}", run.model, run.protocol); }

std::string with_interval(double value, const Interval& interval) {
  return fmt::format("{:.3f} ({})", value, html::range(interval));
}

std::string accuracy_text(const ConfusionMatrix& confusion) {
  return with_interval(accuracy(confusion), accuracy_interval(confusion));
}

std::string balanced_text(const ConfusionMatrix& confusion) {
  return with_interval(balanced_accuracy(confusion), balanced_accuracy_interval(confusion));
}

std::string numbers(const std::vector<FinishedRun>& runs) {
  std::vector<html::Cells> rows;
  rows.reserve(runs.size());
  for (const FinishedRun& run : runs) {
    rows.push_back({run.model, run.protocol, fmt::format("{}", run.confusion.total()),
                    accuracy_text(run.confusion), balanced_text(run.confusion),
                    fmt::format("{:.3f}", macro_average(per_class_metrics(run.confusion)).f1),
                    fmt::format("{:.3f}", run.calibration_error),
                    fmt::format("{:.0f} s", run.seconds)});
  }
  return html::table({"model", "protocol", "tested", "accuracy", "balanced accuracy", "macro F1",
                      "calibration", "time"},
                     rows);
}

std::string estimates(const std::vector<FinishedRun>& runs) {
  std::vector<Estimate> all;
  all.reserve(runs.size());
  for (const FinishedRun& run : runs) {
    all.push_back(
        {title(run), balanced_accuracy(run.confusion), balanced_accuracy_interval(run.confusion)});
  }
  return "<div class=\"wide\">" + estimates_svg("Mean recall of the classes", all) + "</div>\n";
}

/// What each protocol does, for those there are.
std::string protocols(const std::vector<FinishedRun>& runs) {
  std::string html;
  for (const std::string& name : protocol_names()) {
    if (std::none_of(runs.begin(), runs.end(),
                     [&](const FinishedRun& run) { return run.protocol == name; })) {
      continue;
    }
    html += fmt::format("<p class=\"note\"><b>{}</b>: {}</p>\n", name, about(parse_protocol(name)));
  }
  return html;
}

/// The run that differs from one of the notebook's in its protocol alone, `photos`; or null.
const FinishedRun* without_leak(const std::vector<FinishedRun>& runs, const FinishedRun& leaking) {
  const auto found = std::find_if(runs.begin(), runs.end(), [&](const FinishedRun& run) {
    return run.protocol == "photos" && run.settings == leaking.settings;
  });
  return found == runs.end() ? nullptr : &*found;
}

std::string leaks(const std::vector<FinishedRun>& runs) {
  std::string cards;
  for (const FinishedRun& leaking : runs) {
    const FinishedRun* tight = without_leak(runs, leaking);
    if (leaking.protocol != "notebook" || tight == nullptr) continue;
    cards += html::number(
        leaking.model, balanced_accuracy(leaking.confusion) - balanced_accuracy(tight->confusion),
        fmt::format("{} with copies on both sides, {} without", balanced_text(leaking.confusion),
                    balanced_text(tight->confusion)));
  }
  if (cards.empty()) return "";
  return html::section(
      "What the leak was worth", "<div class=\"numbers\">\n" + cards + "</div>\n",
      "The difference in balanced accuracy between the protocols notebook and photos. They differ "
      "in this alone: the one balances the classes by copies before it splits, so that a photo may "
      "stand in training and in the test; the other splits first.");
}

std::string matrices(const std::vector<FinishedRun>& runs) {
  std::string pictures = "<div class=\"columns\">";
  for (const FinishedRun& run : runs) {
    pictures += confusion_matrix_svg(title(run), run.confusion, run.classes);
  }
  return pictures + "</div>\n";
}

std::string commands(const std::vector<FinishedRun>& runs) {
  std::string lines;
  for (const FinishedRun& run : runs) lines += run.command + "\n";
  return "<pre>" + html::escaped(lines) + "</pre>\n";
}

Json settings_of(Json args) {
  for (const char* other :
       {"command", "protocol", "output_dir", "progress", "threads", "device", "conv"}) {
    args.erase(other);
  }
  return args;
}

}  // namespace

FinishedRun read_run(const std::filesystem::path& folder) {
  const Json args = read_json(folder / "args.json");
  const Json report = read_json(folder / "report.json");
  try {
    const Json& test = report.at("test");
    return {.settings = settings_of(args),
            .command = args.at("command"),
            .model = args.at("model"),
            .protocol = args.at("protocol"),
            .classes = report.at("classes"),
            .confusion = to_confusion(test.at("confusion_matrix")),
            .calibration_error = test.at("expected_calibration_error"),
            .seconds = report.at("seconds")};
  } catch (const Json::exception& error) {
    fail(ExitCode::data, "{}: its files are not as a run writes them; run it anew ({})",
         folder.string(), error.what());
  }
}

std::string side_by_side_html(const std::vector<FinishedRun>& runs) {
  const std::string title = "Protocols side by side";
  return html::document(
      title, fmt::format("<h1>{}</h1>\n", title) + protocols(runs) + numbers(runs) + leaks(runs) +
                 html::section(
                     "Balanced accuracy", estimates(runs),
                     "The lines are 95 per cent intervals. The test of notebook has as many rows "
                     "of each class; those of photos and faces have them as they are, where "
                     "answering the most frequent class alone is often right.") +
                 html::section("Confusion", matrices(runs)) +
                 html::section("Commands", commands(runs)));
}

}  // namespace ember
