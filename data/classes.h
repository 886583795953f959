#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/annotations.h"

namespace ember {

/// The names of the classes; a label's index is its place here.
using Classes = std::vector<std::string>;

/// The labels in order of first appearance.
Classes classes_of(const std::vector<Row>& rows);

/// What is wrong with a list of classes, empty when nothing is: fewer than two names, or a name
/// that is empty, stands there twice, is not UTF-8 or holds a control character.
std::string complaint_about(const Classes& classes);

/// Checks a list that a user gave. Throws Error(usage) with that complaint.
void check_classes(const Classes& classes);

/// The class index of each row. Throws Error(data) for a label that is not among `classes`; the
/// message names the photo and lists the known ones.
std::vector<int32_t> label_indices(const std::vector<Row>& rows, const Classes& classes);

}  // namespace ember
