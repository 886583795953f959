#include <fmt/format.h>

#include <algorithm>

#include "apps/plots.h"
#include "apps/plots/svg.h"

namespace ember {

std::string reliability_svg(const std::string& title, std::span<const ReliabilityBin> bins) {
  constexpr double kLeft = 72;
  constexpr double kTop = 98;
  constexpr double kSide = 300;
  constexpr double kCounts = 70;  // height of the lower panel
  const double counts_top = kTop + kSide + 34;
  const double width = kSide / static_cast<double>(bins.size());
  int64_t most = 1;
  for (const ReliabilityBin& bin : bins) most = std::max(most, bin.count);

  std::string body = svg::text_at(28, 36, "title", title);
  body += svg::text_at(
      28, 58, "muted",
      fmt::format("expected calibration error {:.3f}", expected_calibration_error(bins)));
  for (int tick = 0; tick <= 5; ++tick) {
    const double share = tick / 5.0;
    const double y = kTop + kSide * (1 - share);
    const double x = kLeft + kSide * share;
    body += svg::line(kLeft, y, kLeft + kSide, y, "grid");
    body += svg::text_at(kLeft - 9, y + 4.5, "muted right", fmt::format("{:.1f}", share));
    body +=
        svg::text_at(x, counts_top + kCounts + 18, "muted middle", fmt::format("{:.1f}", share));
  }
  for (size_t k = 0; k < bins.size(); ++k) {
    const double x = kLeft + static_cast<double>(k) * width;
    const double count = kCounts * static_cast<double>(bins[k].count) / static_cast<double>(most);
    body += svg::box(x + 1, counts_top + kCounts - count, width - 2, count, "bar-3");
    if (bins[k].count == 0) continue;
    body += svg::box(x + 1, kTop + kSide * (1 - bins[k].accuracy), width - 2,
                     kSide * bins[k].accuracy, "bar");
    body += svg::dot(kLeft + kSide * bins[k].confidence, kTop + kSide * (1 - bins[k].accuracy), 4,
                     "validation-dot");
  }
  body += svg::line(kLeft, kTop + kSide, kLeft + kSide, kTop, "boundary");
  body += svg::text_at(kLeft, kTop - 10, "muted", "right, share");
  body +=
      svg::text_at(kLeft, counts_top - 8, "muted", fmt::format("predictions, at most {}", most));
  body += svg::text_at(kLeft + kSide / 2, counts_top + kCounts + 40, "muted middle", "confidence");
  return svg::document(kLeft + kSide + 40, counts_top + kCounts + 56, title, body);
}

}  // namespace ember
