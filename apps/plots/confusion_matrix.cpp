#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/plots.h"
#include "apps/plots/svg.h"

namespace ember {
namespace {

using svg::text_at;

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

}  // namespace

std::string confusion_matrix_svg(const std::string& title, const ConfusionMatrix& confusion,
                                 std::span<const std::string> classes) {
  const double name_width = svg::width_of(classes);
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
                          x - 8, top - 8, svg::escaped(classes[k]))
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
  return svg::document(width, top + count * cell_height + 28, title, body);
}

}  // namespace ember
