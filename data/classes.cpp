#include "data/classes.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace ember {

Classes classes_of(const std::vector<Row>& rows) {
  Classes classes;
  for (const Row& row : rows) {
    if (std::find(classes.begin(), classes.end(), row.label) == classes.end()) {
      classes.push_back(row.label);
    }
  }
  return classes;
}

void check_classes(const Classes& classes) {
  if (classes.size() < 2) {
    fail(ExitCode::usage, "classes [{}]: name at least two", fmt::join(classes, ", "));
  }
  for (auto name = classes.begin(); name != classes.end(); ++name) {
    if (name->empty()) {
      fail(ExitCode::usage, "classes [{}]: a name is empty", fmt::join(classes, ", "));
    }
    if (std::find(classes.begin(), name, *name) != name) {
      fail(ExitCode::usage, "classes [{}]: {} stands there twice", fmt::join(classes, ", "), *name);
    }
  }
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
