#include <fmt/format.h>

#include "apps/plots.h"
#include "apps/plots/svg.h"

namespace ember {

std::string estimates_svg(const std::string& title, std::span<const Estimate> estimates) {
  constexpr double kTop = 64;
  constexpr double kRow = 34;
  constexpr double kWidth = 380;
  std::vector<std::string> names;
  for (const Estimate& estimate : estimates) names.push_back(estimate.name);
  const double left = 40 + svg::width_of(names);
  const double bottom = kTop + kRow * static_cast<double>(estimates.size());
  const auto x = [&](double share) { return left + kWidth * share; };

  std::string body = svg::text_at(28, 36, "title", title);
  for (int tick = 0; tick <= 5; ++tick) {
    const double share = tick / 5.0;
    body += svg::line(x(share), kTop - 8, x(share), bottom, "grid");
    body += svg::text_at(x(share), bottom + 18, "muted middle", fmt::format("{:.1f}", share));
  }
  double y = kTop + kRow / 2;
  for (const auto& [name, value, interval] : estimates) {
    body += svg::text_at(left - 12, y + 4.5, "right", name);
    body += svg::line(x(interval.low), y, x(interval.high), y, "interval");
    body += svg::dot(x(value), y, 5, "training-dot");
    body += svg::text_at(x(1) + 16, y + 4.5, "heading", fmt::format("{:.3f}", value));
    y += kRow;
  }
  return svg::document(x(1) + 76, bottom + 34, title, body);
}

}  // namespace ember
