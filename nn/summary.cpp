#include "nn/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace ember {
namespace {

constexpr size_t kWidestCell = 32;

using Cell = std::vector<std::string>;  // lines of one cell
using TableRow = std::vector<Cell>;

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (int64_t place = static_cast<int64_t>(digits.size()) - 3; place > 0; place -= 3) {
    digits.insert(static_cast<size_t>(place), 1, ',');
  }
  return digits;
}

// The beginning and the end of a layer's name tell the most; `…` is one column wide.
std::string shortened(const std::string& name) {
  if (name.size() <= kWidestCell) return name;
  const size_t tail = kWidestCell / 2;
  const size_t head = kWidestCell - 1 - tail;
  return name.substr(0, head) + "…" + name.substr(name.size() - tail);
}

size_t columns_of(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string readable_bytes(double bytes) {
  for (const char* unit : {"B", "KB", "MB"}) {
    if (bytes < 1024) return fmt::format("{:.2f} {}", bytes, unit);
    bytes /= 1024;
  }
  return fmt::format("{:.2f} GB", bytes);
}

std::string shape_of(const LayerRow& row) {
  return fmt::format("(None, {})",
                     fmt::join(row.output_shape.begin(), row.output_shape.end(), ", "));
}

Cell name_and_type(const LayerRow& row) {
  const std::string type = fmt::format("({})", row.type);
  std::string both = row.name + " " + type;
  if (both.size() <= kWidestCell) return {both};
  return {shortened(row.name), type};
}

bool is_chain(std::span<const LayerRow> rows) {
  for (size_t k = 1; k < rows.size(); ++k) {
    if (rows[k].inputs.size() != 1 || rows[k].inputs[0] != rows[k - 1].name) return false;
  }
  return true;
}

// Each part is repeated over a column's width: left end, filling, between columns, right end.
struct Rule {
  const char* left;
  const char* fill;
  const char* between;
  const char* right;
};

std::string draw(const Rule& rule, const std::vector<size_t>& widths) {
  std::string line = rule.left;
  for (size_t column = 0; column < widths.size(); ++column) {
    for (size_t i = 0; i < widths[column] + 2; ++i) line += rule.fill;
    line += column + 1 < widths.size() ? rule.between : rule.right;
  }
  return line + "\n";
}

std::string draw(const TableRow& row, const std::vector<size_t>& widths,
                 const std::vector<bool>& to_the_right, const char* bar) {
  size_t height = 1;
  for (const Cell& cell : row) height = std::max(height, cell.size());
  std::string text;
  for (size_t line = 0; line < height; ++line) {
    for (size_t column = 0; column < row.size(); ++column) {
      const std::string content = line < row[column].size() ? row[column][line] : "";
      const std::string gap(widths[column] - columns_of(content), ' ');
      text += fmt::format("{} {}{}{} ", bar, to_the_right[column] ? gap : "", content,
                          to_the_right[column] ? "" : gap);
    }
    text += fmt::format("{}\n", bar);
  }
  return text;
}

}  // namespace

std::string format_summary(const std::string& model, std::span<const LayerRow> rows) {
  const bool chain = is_chain(rows);
  std::vector<TableRow> table{
      {{"Layer (type)"}, {"Output Shape"}, {"Param #"}, {"MACs"}, {"Trains"}}};
  std::vector<bool> to_the_right{false, false, true, true, false};
  const bool kernels = std::any_of(rows.begin(), rows.end(),
                                   [](const LayerRow& row) { return !row.kernels.empty(); });
  if (kernels) {
    table[0].push_back({"Kernels"});
    to_the_right.push_back(false);
  }
  if (!chain) {
    table[0].push_back({"Connected to"});
    to_the_right.push_back(false);
  }
  int64_t params = 0;
  int64_t trainable = 0;
  int64_t macs = 0;
  for (const LayerRow& row : rows) {
    const char* trains = row.params == 0 ? "-" : row.trainable_params > 0 ? "Y" : "N";
    table.push_back({name_and_type(row),
                     {shape_of(row)},
                     {grouped(row.params)},
                     {grouped(row.macs)},
                     {trains}});
    if (kernels) table.back().push_back({row.kernels.empty() ? "-" : row.kernels});
    if (!chain) {
      Cell inputs;
      for (const std::string& input : row.inputs) inputs.push_back(shortened(input));
      if (inputs.empty()) inputs.emplace_back("-");
      table.back().push_back(inputs);
    }
    params += row.params;
    trainable += row.trainable_params;
    macs += row.macs;
  }

  std::vector<size_t> widths(table[0].size());
  for (const TableRow& row : table) {
    for (size_t column = 0; column < row.size(); ++column) {
      for (const std::string& line : row[column]) {
        widths[column] = std::max(widths[column], columns_of(line));
      }
    }
  }

  std::string text = fmt::format("Model: \"{}\"\n", model);
  text += draw(Rule{"┏", "━", "┳", "┓"}, widths);
  text += draw(table[0], widths, to_the_right, "┃");
  text += draw(Rule{"┡", "━", "╇", "┩"}, widths);
  for (size_t k = 1; k < table.size(); ++k) {
    if (k > 1) text += draw(Rule{"├", "─", "┼", "┤"}, widths);
    text += draw(table[k], widths, to_the_right, "│");
  }
  text += draw(Rule{"└", "─", "┴", "┘"}, widths);
  const auto total = [](const char* name, int64_t count) {
    return fmt::format(" {}: {} ({})\n", name, grouped(count),
                       readable_bytes(4.0 * static_cast<double>(count)));
  };
  text += total("Total params", params);
  text += total("Trainable params", trainable);
  text += total("Non-trainable params", params - trainable);
  text += fmt::format(" MACs per image: {}\n", grouped(macs));
  return text;
}

}  // namespace ember
