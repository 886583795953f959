#pragma once

#include <string>
#include <vector>

#include "apps/plots/svg.h"
#include "nn/metrics.h"

/// The parts that pages are made of. All text is escaped but what is called html.
namespace ember::html {

using svg::escaped;

/// "0.853 to 0.907"
std::string range(const Interval& interval);

/// A heading, a line below it where there is one, and what belongs to it.
std::string section(const std::string& title, const std::string& html,
                    const std::string& note = "");

using Cells = std::vector<std::string>;
std::string table(const Cells& head, const std::vector<Cells>& rows);

/// A number large on a card, with its name and a detail.
std::string number(const std::string& name, double value, const std::string& detail);

/// One self-contained page, which needs no network and follows the viewer's light or dark theme and
/// the width of the screen.
std::string document(const std::string& title, const std::string& html);

}  // namespace ember::html
