#pragma once

#include <span>
#include <string>
#include <string_view>

/// The pieces that the pictures of a run are made of.
namespace ember::svg {

/// With the characters that XML and HTML have a use for written as entities.
std::string escaped(std::string_view text);

/// `style` names classes of the pictures' style sheet.
std::string text_at(double x, double y, std::string_view style, std::string_view text);
std::string line(double x1, double y1, double x2, double y2, std::string_view style);
std::string box(double x, double y, double width, double height, std::string_view style);
std::string dot(double x, double y, double radius, std::string_view style);

/// A whole picture, with the style sheet. It follows the viewer's light or dark theme.
std::string document(double width, double height, const std::string& title,
                     const std::string& body);

/// A step of 1, 2 or 5 times a power of ten that cuts `range` into about five parts.
double nice_step(double range);

/// About as wide as the longest of `names` is written.
double width_of(std::span<const std::string> names);

}  // namespace ember::svg
