#include "apps/report/page.h"

#include <fmt/format.h>

#include "apps/protocol.h"
#include "apps/report/html.h"

namespace ember {
namespace {

using html::Cells;
using html::escaped;
using html::number;
using html::range;
using html::section;
using html::table;

std::string numbers(const ReportPage& page) {
  const ConfusionMatrix confusion = page.result.confusion();
  const auto bins = reliability(page.result.probabilities, page.result.labels);
  return "<div class=\"numbers\">\n" +
         number("Accuracy", accuracy(confusion), range(accuracy_interval(confusion))) +
         number("Balanced accuracy", balanced_accuracy(confusion),
                range(balanced_accuracy_interval(confusion))) +
         number("Macro F1", macro_average(per_class_metrics(confusion)).f1, "mean of the classes") +
         number("Calibration error", expected_calibration_error(bins),
                "confidence beside accuracy") +
         "</div>\n";
}

std::string class_table(const ReportPage& page) {
  const ConfusionMatrix confusion = page.result.confusion();
  const std::vector<ClassMetrics> metrics = per_class_metrics(confusion);
  std::vector<Cells> rows;
  for (size_t k = 0; k < metrics.size(); ++k) {
    rows.push_back({page.data.dataset().classes[k], fmt::format("{:.3f}", metrics[k].precision),
                    range(wilson_interval(confusion(k, k), confusion.predictions(k))),
                    fmt::format("{:.3f}", metrics[k].recall),
                    range(wilson_interval(confusion(k, k), confusion.support(k))),
                    fmt::format("{:.3f}", metrics[k].f1), fmt::format("{}", metrics[k].support)});
  }
  return table({"class", "precision", "95 %", "recall", "95 %", "F1", "tested"}, rows);
}

std::string sizes(const ReportPage& page) {
  std::vector<Estimate> estimates;
  for (const SizeResult& size : by_face_size(page.result, page.data.dataset())) {
    estimates.push_back({fmt::format("{} pixels, {} faces", size.range(), size.confusion.total()),
                         accuracy(size.confusion), accuracy_interval(size.confusion)});
  }
  if (estimates.empty()) return "";
  return section("By face size",
                 "<div class=\"wide\">" +
                     estimates_svg("Accuracy by the face's longer side", estimates) + "</div>\n");
}

std::string mistakes(const ReportPage& page) {
  const Classes& classes = page.data.dataset().classes;
  std::string html;
  for (size_t k = 0; k < page.mistakes.size(); ++k) {
    if (page.mistakes[k].empty()) continue;
    html += fmt::format("<h3>Truly {}</h3>\n<div class=\"pictures\">\n", escaped(classes[k]));
    for (const auto& [place, input, photo] : page.mistakes[k]) {
      const size_t predicted = page.result.predicted(place);
      const auto p = page.result.probabilities_of(place);
      const auto row = static_cast<size_t>(page.result.rows[place]);
      const std::string& file = page.data.dataset().rows[row].file;
      html += fmt::format("<figure class=\"mistake\"><div><img src=\"{}\" alt=\"{}\">",
                          data_url(input), escaped("what the network sees of " + file));
      if (!photo.empty()) {
        html += fmt::format("<img src=\"{}\" alt=\"{}\">", data_url(photo), escaped(file));
      }
      html += fmt::format(
          "</div><figcaption>{}<br>predicted {} with {:.3f}, {} with "
          "{:.3f}</figcaption></figure>\n",
          escaped(file), escaped(classes[predicted]), p[predicted], escaped(classes[k]), p[k]);
    }
    html += "</div>\n";
  }
  return html;
}

std::string layers(const ReportPage& page) {
  std::vector<Cells> rows;
  for (const LayerRow& layer : page.layers) {
    rows.push_back({layer.name, layer.type, to_string(layer.output_shape),
                    fmt::format("{}", layer.params), fmt::format("{}", layer.trainable_params),
                    fmt::format("{:.2f}", static_cast<double>(layer.macs) / 1e6)});
  }
  return fmt::format(
      "<details><summary>{} layers</summary>\n{}</details>\n", page.layers.size(),
      table({"layer", "type", "output", "parameters", "of these train", "million multiply-adds"},
            rows));
}

/// A picture for each fold, the first one open.
template <typename Draw>
std::string of_folds(const ReportPage& page, const std::string& title, const Draw& draw) {
  if (page.folds.size() == 1) {
    return "<div class=\"wide\">" + draw(title, page.folds.front()) + "</div>\n";
  }
  std::string html;
  for (size_t k = 0; k < page.folds.size(); ++k) {
    html +=
        fmt::format("<details{}><summary>Fold {}</summary><div class=\"wide\">{}</div></details>\n",
                    k == 0 ? " open" : "", k + 1,
                    draw(fmt::format("{}, fold {}", title, k + 1), page.folds[k]));
  }
  return html;
}

std::string data_text(const ReportPage& page) {
  const Dataset& dataset = page.data.dataset();
  std::string text =
      fmt::format("{} of {} rows were tested", page.result.rows.size(), dataset.row_count());
  if (page.data.folds.size() > 1) {
    text += fmt::format(", in {} folds, each by a model that has not trained on it",
                        page.data.folds.size());
  }
  text += ". " + about(parse_protocol(page.args.at("protocol")));
  return text;
}

}  // namespace

std::string report_html(const ReportPage& page) {
  const std::string title = fmt::format("{}: report", page.app);
  const ConfusionMatrix confusion = page.result.confusion();
  const auto bins = reliability(page.result.probabilities, page.result.labels);
  std::string body = fmt::format("<h1>{}</h1>\n<p class=\"note\">{}</p>\n", escaped(title),
                                 escaped(data_text(page)));
  body += numbers(page);
  if (page.accuracies.size() > 1) {
    body += section("Beside what it has to beat",
                    "<div class=\"pictures\">" + estimates_svg("Accuracy", page.accuracies) +
                        estimates_svg("Balanced accuracy", page.balanced_accuracies) + "</div>\n");
  }
  body += section("Classes", class_table(page) + "<div class=\"pictures\">" +
                                 confusion_matrix_svg("Confusion matrix", confusion,
                                                      page.data.dataset().classes) +
                                 reliability_svg("Reliability", bins) + "</div>\n");
  body += sizes(page);
  body += section("Training", of_folds(page, "Training", curves_svg));
  body += section("What the network is shown in training",
                  fmt::format("<figure><img src=\"{}\" alt=\"augmented samples\"></figure>\n",
                              data_url(page.samples)),
                  "The first batch of the first epoch, augmented.");
  if (const std::string worst = mistakes(page); !worst.empty()) {
    body += section("The worst mistakes", worst,
                    "The wrong predictions of the highest confidence, a photo once: what the "
                    "network sees, and the photo it is from.");
  }
  body += section("Time", of_folds(page, "Seconds an epoch", times_svg),
                  fmt::format("The whole run took {:.0f} seconds.", page.seconds));
  body += section("Layers", layers(page));
  body += section("Command",
                  fmt::format("<pre>{}</pre>\n<details><summary>All options</summary>"
                              "<pre>{}</pre></details>\n",
                              escaped(page.args.value("command", "")),
                              escaped(page.args.dump(2, ' ', false,
                                                     nlohmann::json::error_handler_t::replace))));
  return html::document(title, body);
}

}  // namespace ember
