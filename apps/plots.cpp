#include "apps/plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

namespace ember {
namespace {

// Blue and vermilion of Okabe and Ito's palette, which all kinds of colour vision tell apart.
constexpr const char* kStyle = R"(<style>
  :root { --page: #ffffff; --ink: #1f2328; --muted: #59636e; --grid: #e4e7eb;
          --training: #0072b2; --validation: #d55e00; }
  @media (prefers-color-scheme: dark) {
    :root { --page: #15181c; --ink: #e6e8eb; --muted: #9aa4af; --grid: #2c3238;
            --training: #56b4e9; --validation: #f0883e; }
  }
  .page { fill: #ffffff; fill: var(--page); }
  text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; fill: var(--ink); }
  .title { font-size: 17px; font-weight: 600; }
  .heading { font-weight: 600; }
  .muted { fill: #59636e; fill: var(--muted); }
  .right { text-anchor: end; }
  .middle { text-anchor: middle; }
  .count { font-size: 20px; font-weight: 600; text-anchor: middle; }
  .share { text-anchor: middle; }
  .on-dark { fill: #ffffff; }
  .on-light { fill: #10273c; }
  .grid { stroke: #e4e7eb; stroke: var(--grid); stroke-width: 1; }
  .boundary { stroke: #59636e; stroke: var(--muted); stroke-dasharray: 4 4; }
  .curve { fill: none; stroke-width: 2.25; stroke-linejoin: round; stroke-linecap: round; }
  .training { stroke: #0072b2; stroke: var(--training); }
  .validation { stroke: #d55e00; stroke: var(--validation); }
  .training-dot { fill: #0072b2; fill: var(--training); }
  .validation-dot { fill: #d55e00; fill: var(--validation); }
</style>
)";

std::string escaped(std::string_view text) {
  std::string result;
  for (char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string text_at(double x, double y, std::string_view style, std::string_view text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\">{}</text>\n", x, y, style,
                     escaped(text));
}

std::string line(double x1, double y1, double x2, double y2, std::string_view style) {
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1, y1, x2,
      y2, style);
}

std::string document(double width, double height, const std::string& title,
                     const std::string& body) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" role=\"img\">\n<title>{2}</title>\n{3}<rect class=\"page\" "
      "width=\"{0:.0f}\" height=\"{1:.0f}\"/>\n{4}</svg>\n",
      width, height, escaped(title), kStyle, body);
}

/// A step of 1, 2 or 5 times a power of ten that cuts `range` into about five parts.
double nice_step(double range) {
  const double rough = range / 5;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.999) return factor * power;
  }
  return 10 * power;
}

/// The epochs [begin, end) of one stage.
struct Stage {
  size_t begin;
  size_t end;
};

std::vector<Stage> stages_of(const History& history) {
  std::vector<Stage> stages;
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
    step_ = nice_step(std::max(high_ - low_, 0.02));
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

struct Colour {
  double red, green, blue;
};

// From almost white to a deep blue, even steps of lightness.
Colour heat(double share) {
  constexpr Colour kLight{238, 244, 250};
  constexpr Colour kDeep{8, 69, 128};
  const auto mix = [&](double a, double b) { return a + (b - a) * share; };
  return {mix(kLight.red, kDeep.red), mix(kLight.green, kDeep.green), mix(kLight.blue, kDeep.blue)};
}

size_t longest(std::span<const std::string> names) {
  size_t length = 0;
  for (const std::string& name : names) length = std::max(length, name.size());
  return length;
}

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
  return document(960, 420, title, body);
}

std::string confusion_matrix_svg(const std::string& title, const ConfusionMatrix& confusion,
                                 std::span<const std::string> classes) {
  constexpr double kPixelsPerLetter = 7.2;
  const double name_width = kPixelsPerLetter * static_cast<double>(longest(classes));
  const double cell_width = std::max(96.0, std::min(name_width + 12, 176.0));
  const bool slanted = name_width + 12 > cell_width;
  const double cell_height = 84;
  const double left = 72 + name_width;
  const double top = slanted ? 112 + 0.6 * name_width : 122;
  const auto count = static_cast<double>(confusion.classes());

  std::string body = text_at(28, 36, "title", title);
  body += text_at(28, 58, "muted",
                  fmt::format("{} test rows, {:.1f} % right; shares are of the actual class",
                              confusion.total(), 100 * accuracy(confusion)));
  body += text_at(left + count * cell_width / 2, 88, "heading middle", "Predicted");
  const double middle = top + count * cell_height / 2;
  body += fmt::format(
      "<text class=\"heading middle\" transform=\"translate(36 {:.1f}) "
      "rotate(-90)\">Actual</text>\n",
      middle);
  for (size_t k = 0; k < classes.size(); ++k) {
    const double x = left + (static_cast<double>(k) + 0.5) * cell_width;
    const double y = top + (static_cast<double>(k) + 0.5) * cell_height;
    body += text_at(left - 10, y + 4.5, "right", classes[k]);
    body += slanted ? fmt::format(
                          "<text transform=\"translate({:.1f} {:.1f}) rotate(-35)\">{}</text>\n",
                          x - 8, top - 8, escaped(classes[k]))
                    : text_at(x, top - 10, "middle", classes[k]);
  }
  for (size_t truth = 0; truth < classes.size(); ++truth) {
    const auto support = static_cast<double>(confusion.support(truth));
    for (size_t predicted = 0; predicted < classes.size(); ++predicted) {
      const double x = left + static_cast<double>(predicted) * cell_width;
      const double y = top + static_cast<double>(truth) * cell_height;
      const auto cell = static_cast<double>(confusion(truth, predicted));
      const double share = support == 0 ? 0 : cell / support;
      const Colour colour = heat(share);
      const char* ink = share > 0.45 ? "on-dark" : "on-light";
      body += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"3\" "
          "fill=\"#{:02x}{:02x}{:02x}\"/>\n",
          x + 1, y + 1, cell_width - 2, cell_height - 2, std::lround(colour.red),
          std::lround(colour.green), std::lround(colour.blue));
      body += text_at(x + cell_width / 2, y + cell_height / 2 + 1, fmt::format("count {}", ink),
                      fmt::format("{}", confusion(truth, predicted)));
      body += text_at(x + cell_width / 2, y + cell_height / 2 + 21, fmt::format("share {}", ink),
                      fmt::format("{:.1f} %", 100 * share));
    }
  }
  const double overhang = slanted ? 0.8 * name_width : 0;
  const double width = std::max(left + count * cell_width + 28 + overhang, 420.0);
  return document(width, top + count * cell_height + 28, title, body);
}

}  // namespace ember
