#include "apps/plots/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ember::svg {
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
  .interval { stroke: #0072b2; stroke: var(--training); stroke-width: 5; stroke-opacity: 0.35; stroke-linecap: round; }
  .bar { fill: #0072b2; fill: var(--training); fill-opacity: 0.75; }
  .bar-2 { fill: #d55e00; fill: var(--validation); fill-opacity: 0.75; }
  .bar-3 { fill: #59636e; fill: var(--muted); fill-opacity: 0.5; }
  .training-dot { fill: #0072b2; fill: var(--training); }
  .validation-dot { fill: #d55e00; fill: var(--validation); }
</style>
)";

}  // namespace

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

std::string box(double x, double y, double width, double height, std::string_view style) {
  return fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" class=\"{}\"/>\n", x, y,
      width, height, style);
}

std::string dot(double x, double y, double radius, std::string_view style) {
  return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" class=\"{}\"/>\n", x, y,
                     radius, style);
}

std::string document(double width, double height, const std::string& title,
                     const std::string& body) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" role=\"img\">\n<title>{2}</title>\n{3}<rect class=\"page\" "
      "width=\"{0:.0f}\" height=\"{1:.0f}\"/>\n{4}</svg>\n",
      width, height, escaped(title), kStyle, body);
}

double nice_step(double range) {
  const double rough = range / 5;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.999) return factor * power;
  }
  return 10 * power;
}

double width_of(std::span<const std::string> names) {
  constexpr double kPixelsPerLetter = 7.2;
  size_t longest = 0;
  for (const std::string& name : names) longest = std::max(longest, name.size());
  return kPixelsPerLetter * static_cast<double>(longest);
}

}  // namespace ember::svg
