#include "data/classes.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace ember {
namespace {

bool is_plain_text(const std::string& text) {
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < ' '; })) return false;
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::type_error&) {  // not UTF-8
    return false;
  }
}

}  // namespace

Classes classes_of(const std::vector<Row>& rows) {
  Classes classes;
  for (const Row& row : rows) {
    if (std::find(classes.begin(), classes.end(), row.label) == classes.end()) {
      classes.push_back(row.label);
    }
  }
  return classes;
}

std::string complaint_about(const Classes& classes) {
  std::string complaint;
  if (classes.size() < 2) complaint = "name at least two";
  for (auto name = classes.begin(); name != classes.end(); ++name) {
    if (name->empty()) complaint = "a name is empty";
    if (!is_plain_text(*name)) complaint = "a name is not UTF-8, or holds a control character";
    if (std::find(classes.begin(), name, *name) != name) complaint = *name + " stands there twice";
  }
  if (complaint.empty()) return "";
  // As JSON, so that odd names show and keep the message on one line.
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  return fmt::format("classes {}: {}", nlohmann::json(classes).dump(-1, ' ', false, kReplace),
                     complaint);
}

void check_classes(const Classes& classes) {
  const std::string complaint = complaint_about(classes);
  if (!complaint.empty()) fail(ExitCode::usage, "{}", complaint);
}

std::vector<int32_t> label_indices(const std::vector<Row>& rows, const Classes& classes) {
  std::vector<int32_t> indices;
  indices.reserve(rows.size());
  for (const Row& row : rows) {
    const auto found = std::find(classes.begin(), classes.end(), row.label);
    if (found == classes.end()) {
      fail(ExitCode::data, "{}: label {} is unknown; the classes are {}", row.file, row.label,
           fmt::join(classes, ", "));
    }
    indices.push_back(static_cast<int32_t>(found - classes.begin()));
  }
  return indices;
}

}  // namespace ember
