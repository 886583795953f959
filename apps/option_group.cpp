#include "apps/option_group.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

namespace ember {
namespace {

/// Decimal: CLI11 would take 010 for 8.
template <typename Number>
bool parse(const std::string& text, Number& number) {
  if (text.size() > 1 && text[0] == '0' && std::isdigit(static_cast<unsigned char>(text[1])) != 0) {
    return false;
  }
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

}  // namespace

CLI::Validator not_empty() {
  return {
      [](const std::string& text) { return std::string(text.empty() ? "the name is empty" : ""); },
      ""};
}

CLI::Validator one_of(const std::vector<std::string>& words) {
  const auto check = [words](const std::string& text) -> std::string {
    if (std::find(words.begin(), words.end(), text) != words.end()) return "";
    return fmt::format("'{}' is not one of {}", text, fmt::join(words, ", "));
  };
  return {check, ""};
}

CLI::Validator positive_number() {
  const auto check = [](const std::string& text) -> std::string {
    double number = 0;
    if (parse(text, number) && number > 0 && std::isfinite(number)) return "";
    return fmt::format("'{}' is not a number above 0", text);
  };
  return {check, ""};
}

CLI::Validator number(double low, double high) {
  const auto check = [=](const std::string& text) -> std::string {
    double number = 0;
    if (parse(text, number) && low <= number && number <= high) return "";
    return fmt::format("'{}' is not a number from {} to {}", text, low, high);
  };
  return {check, ""};
}

CLI::Validator face_margin() { return number(0, 1000); }

CLI::Validator whole_number(int64_t low, int64_t high, int64_t factor) {
  const auto check = [=](const std::string& text) -> std::string {
    int64_t number = 0;
    if (parse(text, number) && low <= number && number <= high && number % factor == 0) return "";
    const std::string kind = factor == 1 ? "whole number" : fmt::format("multiple of {}", factor);
    return fmt::format("'{}' is not a {} from {} to {}", text, kind, low, high);
  };
  return {check, ""};
}

CLI::Option* OptionGroup::add_choice(const std::string& name, std::string& value,
                                     const std::vector<std::string>& words,
                                     const std::string& description) {
  return add(name, fmt::format("{}", fmt::join(words, "|")), value, description)
      ->check(one_of(words))
      ->capture_default_str();
}

}  // namespace ember
