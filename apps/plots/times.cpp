#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apps/plots.h"
#include "apps/plots/svg.h"

namespace ember {

std::string times_svg(const std::string& title, const History& history) {
  constexpr double kLeft = 120;
  constexpr double kTop = 92;
  constexpr double kWidth = 520;
  const double row = history.size() > 30 ? 10 : 20;
  double longest = 1e-9;
  for (const EpochResult& epoch : history) longest = std::max(longest, epoch.seconds);
  const double bottom = kTop + row * static_cast<double>(history.size());

  std::string body = svg::text_at(28, 36, "title", title);
  constexpr std::array<const char*, 3> kParts{"training steps", "waiting for data",
                                              "validation and the rest"};
  constexpr std::array<const char*, 3> kStyles{"bar", "bar-2", "bar-3"};
  double legend = 28;
  for (size_t part = 0; part < kParts.size(); ++part) {
    body += svg::box(legend, 50, 12, 12, kStyles[part]);
    body += svg::text_at(legend + 18, 61, "muted", kParts[part]);
    legend += 150;
  }
  const double step = svg::nice_step(longest);
  for (int tick = 0; tick * step <= longest * 1.001; ++tick) {
    const double x = kLeft + kWidth * tick * step / longest;
    body += svg::line(x, kTop - 6, x, bottom, "grid");
    body += svg::text_at(x, bottom + 18, "muted middle", fmt::format("{:g} s", tick * step));
  }
  double y = kTop;
  for (const EpochResult& epoch : history) {
    const double steps = static_cast<double>(epoch.steps) / 1000;
    const std::array<double, 3> parts{steps * (epoch.ms_per_step - epoch.ms_waited),
                                      steps * epoch.ms_waited,
                                      std::max(0.0, epoch.seconds - steps * epoch.ms_per_step)};
    double x = kLeft;
    for (size_t part = 0; part < parts.size(); ++part) {
      const double width = kWidth * parts[part] / longest;
      body += svg::box(x, y + 1, width, row - 2, kStyles[part]);
      x += width;
    }
    if (row > 12 || epoch.epoch == 1) {
      body += svg::text_at(kLeft - 8, y + row / 2 + 4.5, "muted right",
                           fmt::format("{} {}", epoch.stage, epoch.epoch));
    }
    y += row;
  }
  return svg::document(kLeft + kWidth + 40, bottom + 34, title, body);
}

}  // namespace ember
