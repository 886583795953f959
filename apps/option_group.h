#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// What the programs' options are made of.
namespace ember {

/// A validator for file and folder names.
CLI::Validator not_empty();

/// A validator for one of several words.
CLI::Validator one_of(const std::vector<std::string>& words);

/// A validator for numbers above 0.
CLI::Validator positive_number();

/// A validator for numbers from `low` to `high`.
CLI::Validator number(double low, double high);

/// A validator for what is shown around a face, per cent of its longer side.
CLI::Validator face_margin();

/// A validator for whole numbers in [low, high] that are a multiple of `factor`.
CLI::Validator whole_number(int64_t low, int64_t high, int64_t factor = 1);

/// Declares options that stand under one heading of --help.
class OptionGroup {
 public:
  OptionGroup(CLI::App& app, std::string heading) : app_(app), heading_(std::move(heading)) {}
  /// Under the heading that options have of themselves.
  explicit OptionGroup(CLI::App& app) : OptionGroup(app, app.option_defaults()->get_group()) {}

  template <typename T>
  CLI::Option* add(const std::string& name, const std::string& type, T& value,
                   const std::string& description) {
    return app_.add_option(name, value, description)->type_name(type)->group(heading_);
  }

  /// `value` is a std::filesystem::path, or a list of them.
  template <typename T>
  CLI::Option* add_path(const std::string& name, const std::string& type, T& value,
                        const std::string& description) {
    return add(name, type, value, description)->check(not_empty());
  }

  template <typename Number>
  CLI::Option* add_number(const std::string& name, const std::string& type, Number& value,
                          CLI::Validator range, const std::string& description) {
    return add(name, type, value, description)->check(std::move(range))->capture_default_str();
  }

  CLI::Option* add_choice(const std::string& name, std::string& value,
                          const std::vector<std::string>& words, const std::string& description);

  CLI::Option* add_flag(const std::string& name, bool& value, const std::string& description) {
    return app_.add_flag(name, value, description)->group(heading_);
  }

 private:
  CLI::App& app_;
  std::string heading_;
};

}  // namespace ember
