#include "apps/report/html.h"

#include <fmt/format.h>

namespace ember::html {
namespace {

constexpr const char* kStyle = R"(<style>
  :root { color-scheme: light dark; --page: #ffffff; --ink: #1f2328; --muted: #59636e; --line: #d8dde3; --card: #f6f8fa; }
  @media (prefers-color-scheme: dark) {
    :root { --page: #15181c; --ink: #e6e8eb; --muted: #9aa4af; --line: #2c3238; --card: #1c2127; }
  }
  body { margin: 0 auto; padding: 1rem; max-width: 62rem; background: var(--page); color: var(--ink);
         font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
  h1 { font-size: 1.6rem; margin: 0.5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 0.5rem; }
  p.note, figcaption { color: var(--muted); font-size: 0.875rem; }
  .numbers { display: flex; flex-wrap: wrap; gap: 0.75rem; }
  .number { background: var(--card); border-radius: 8px; padding: 0.6rem 1rem; flex: 1 1 9rem; }
  .number b { display: block; font-size: 1.6rem; } .number span { color: var(--muted); font-size: 0.875rem; }
  .pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
  .pictures > svg, .wide > svg { max-width: 100%; height: auto; }
  .columns { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); }
  .columns > svg { width: 100%; height: auto; }
  figure { margin: 0; } figure img { display: block; border-radius: 4px; max-width: 100%; height: auto; }
  .mistake { background: var(--card); border-radius: 8px; padding: 0.5rem; flex: 0 1 auto; }
  .mistake div { display: flex; gap: 0.5rem; align-items: flex-start; flex-wrap: wrap; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; font-size: 0.9375rem; font-variant-numeric: tabular-nums; }
  th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
  th:first-child, td:first-child { text-align: left; }
  pre { background: var(--card); border-radius: 8px; padding: 0.75rem; overflow-x: auto; font-size: 0.875rem; }
  summary { cursor: pointer; color: var(--muted); }
</style>
)";

}  // namespace

std::string range(const Interval& interval) {
  return fmt::format("{:.3f} to {:.3f}", interval.low, interval.high);
}

std::string section(const std::string& title, const std::string& html, const std::string& note) {
  return fmt::format("<section>\n<h2>{}</h2>\n{}{}</section>\n", escaped(title),
                     note.empty() ? "" : fmt::format("<p class=\"note\">{}</p>\n", escaped(note)),
                     html);
}

std::string table(const Cells& head, const std::vector<Cells>& rows) {
  std::string html = "<div class=\"scroll\"><table>\n<tr>";
  for (const std::string& cell : head) html += fmt::format("<th>{}</th>", escaped(cell));
  html += "</tr>\n";
  for (const Cells& row : rows) {
    html += "<tr>";
    for (const std::string& cell : row) html += fmt::format("<td>{}</td>", escaped(cell));
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string number(const std::string& name, double value, const std::string& detail) {
  return fmt::format("<div class=\"number\">{}<b>{:.3f}</b><span>{}</span></div>\n", escaped(name),
                     value, escaped(detail));
}

std::string document(const std::string& title, const std::string& html) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
      "name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n{}</head>\n<body>\n{}"
      "</body>\n</html>\n",
      escaped(title), kStyle, html);
}

}  // namespace ember::html
