#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "apps/plots.h"
#include "apps/plots/svg.h"

namespace ember {
namespace {

using svg::line;
using svg::text_at;

/// The epochs [begin, end) of one stage.
struct StageEpochs {
  size_t begin;
  size_t end;
};

std::vector<StageEpochs> stages_of(const History& history) {
  std::vector<StageEpochs> stages;
  for (size_t k = 0; k < history.size(); ++k) {
    if (k == 0 || history[k].stage != history[k - 1].stage) stages.push_back({k, k});
    stages.back().end = k + 1;
  }
  return stages;
}

struct Series {
  const char* name;
  double EpochResult::*value;
};

/// One set of axes: epochs across, the values of `series` up.
class Panel {
 public:
  Panel(double left, double top, double width, double height, const History& history,
        std::vector<Series> series)
      : left_(left),
        top_(top),
        width_(width),
        height_(height),
        history_(history),
        series_(std::move(series)) {
    // Without validation there is no such curve.
    std::erase_if(series_,
                  [&](const Series& each) { return std::isnan(history.front().*each.value); });
    low_ = high_ = history.front().*series_[0].value;
    for (const EpochResult& epoch : history) {
      for (const Series& each : series_) {
        low_ = std::min(low_, epoch.*each.value);
        high_ = std::max(high_, epoch.*each.value);
      }
    }
    step_ = svg::nice_step(std::max(high_ - low_, 0.02));
    low_ = std::floor(low_ / step_) * step_;
    high_ = std::max(std::ceil(high_ / step_) * step_, low_ + step_);
  }

  std::string draw(std::string_view heading) const {
    std::string svg = text_at(left_, top_ - 30, "heading", heading);
    const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step_) - 1e-9)));
    const auto ticks = static_cast<int>(std::lround((high_ - low_) / step_));
    for (int tick = 0; tick <= ticks; ++tick) {
      const double value = low_ + tick * step_;
      svg += line(left_, y(value), left_ + width_, y(value), "grid");
      svg += text_at(left_ - 9, y(value) + 4.5, "muted right",
                     fmt::format("{:.{}f}", std::abs(value) < step_ / 2 ? 0.0 : value, decimals));
    }
    svg += draw_epochs();
    for (size_t k = 0; k < series_.size(); ++k) svg += draw_curve(series_[k]);
    return svg + draw_labels();
  }

 private:
  double x(size_t index) const {
    const double last = static_cast<double>(history_.size()) - 1;
    return last == 0 ? left_ + width_ / 2
                     : left_ + width_ * (0.02 + 0.96 * static_cast<double>(index) / last);
  }
  double y(double value) const { return top_ + height_ * (high_ - value) / (high_ - low_); }

  std::string draw_epochs() const {
    std::string svg;
    const size_t every = std::max<size_t>(1, (history_.size() + 9) / 10);
    for (size_t k = 0; k < history_.size(); k += every) {
      svg += text_at(x(k), top_ + height_ + 20, "muted middle", fmt::format("{}", k + 1));
    }
    for (const auto& [begin, end] : stages_of(history_)) {
      svg += text_at((x(begin) + x(end - 1)) / 2, top_ - 8, "muted middle", history_[begin].stage);
      if (begin == 0) continue;
      const double between = (x(begin - 1) + x(begin)) / 2;
      svg += line(between, top_ - 16, between, top_ + height_, "boundary");
    }
    return svg + text_at(left_ + width_ / 2, top_ + height_ + 42, "muted middle", "epoch");
  }

  // Another stage trains other parameters, from the best weights before it: its curve begins anew.
  std::string draw_curve(const Series& series) const {
    std::string svg;
    for (const auto& [begin, end] : stages_of(history_)) {
      std::string points;
      for (size_t k = begin; k < end; ++k) {
        points += fmt::format("{}{:.1f},{:.1f}", k == begin ? "" : " ", x(k),
                              y(history_[k].*series.value));
      }
      svg += fmt::format("<polyline class=\"curve {}\" points=\"{}\"/>\n", series.name, points);
      svg += fmt::format("<circle class=\"{}-dot\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\"/>\n",
                         series.name, x(end - 1), y(history_[end - 1].*series.value));
    }
    return svg;
  }

  // The names stand at the curves' ends, moved apart where they would cover each other.
  std::string draw_labels() const {
    std::vector<double> places;
    for (const Series& each : series_) places.push_back(y(history_.back().*each.value));
    if (const double missing = 34 - std::abs(places.front() - places.back());
        places.size() > 1 && missing > 0) {
      const double move = places.front() <= places.back() ? -missing / 2 : missing / 2;
      places.front() += move;
      places.back() -= move;
    }
    std::string svg;
    for (size_t k = 0; k < series_.size(); ++k) {
      const double right = x(history_.size() - 1) + 12;
      svg += text_at(right, places[k], fmt::format("heading {}-dot", series_[k].name),
                     series_[k].name);
      svg += text_at(right, places[k] + 15, "muted",
                     fmt::format("{:.3f}", history_.back().*series_[k].value));
    }
    return svg;
  }

  double left_, top_, width_, height_;
  const History& history_;
  std::vector<Series> series_;
  double low_, high_, step_;
};

}  // namespace

std::string curves_svg(const std::string& title, const History& history) {
  std::string body = text_at(28, 36, "title", title);
  if (!history.empty()) {
    body +=
        Panel(72, 98, 310, 260, history,
              {{"training", &EpochResult::accuracy}, {"validation", &EpochResult::val_accuracy}})
            .draw("Accuracy");
    body += Panel(548, 98, 310, 260, history,
                  {{"training", &EpochResult::loss}, {"validation", &EpochResult::val_loss}})
                .draw("Loss (cross-entropy, nats)");
  }
  return svg::document(960, 420, title, body);
}

}  // namespace ember
