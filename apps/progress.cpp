#include "apps/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace ember {
namespace {

constexpr int64_t kBarWidth = 20;
constexpr double kSecondsBetweenDrawings = 0.1;

std::string repeat(std::string_view text, int64_t times) {
  std::string repeated;
  for (int64_t i = 0; i < times; ++i) repeated += text;
  return repeated;
}

// As Keras: four decimals, powers of ten where these would say nothing.
std::string metric(std::string_view name, double value) {
  return std::abs(value) > 1e-3 ? fmt::format(" - {}: {:.4f}", name, value)
                                : fmt::format(" - {}: {:.4e}", name, value);
}

std::string per_step(double seconds) {
  if (seconds >= 1) return fmt::format("{:.0f}s/step", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.0f}ms/step", seconds * 1e3);
  return fmt::format("{:.0f}us/step", seconds * 1e6);
}

std::string clock_time(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  if (whole >= 3600) {
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  }
  if (whole >= 60) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}s", whole);
}

std::string epoch_text(const EpochResult& result) {
  std::string text =
      fmt::format("{:.0f}s {}{}{}", result.seconds, per_step(result.ms_per_step / 1e3),
                  metric("accuracy", result.accuracy), metric("loss", result.loss));
  if (result.validated()) {
    text += metric("val_accuracy", result.val_accuracy) + metric("val_loss", result.val_loss);
  }
  return text;
}

}  // namespace

ProgressStyle progress_style(const std::string& name) {
  if (name == "none") return ProgressStyle::none;
  if (name == "bar") return ProgressStyle::bar;
  if (name == "line") return ProgressStyle::line;
  return isatty(STDOUT_FILENO) != 0 ? ProgressStyle::bar : ProgressStyle::line;
}

void ProgressReport::on_epoch_begin(int epoch, int epochs) {
  epoch_ = epoch;
  epochs_ = epochs;
  drawn_at_ = 0;
  last_width_ = 0;
  if (style_ == ProgressStyle::bar) out_ << fmt::format("Epoch {}/{}\n", epoch, epochs);
}

void ProgressReport::on_step(const StepProgress& progress) {
  steps_ = progress.steps;
  if (style_ != ProgressStyle::bar) return;
  if (progress.seconds - drawn_at_ < kSecondsBetweenDrawings) return;
  drawn_at_ = progress.seconds;
  const double step_seconds = progress.seconds / static_cast<double>(progress.step);
  const double left = step_seconds * static_cast<double>(progress.steps - progress.step);
  print_bar(progress.step,
            fmt::format("{} {}{}{}", clock_time(left), per_step(step_seconds),
                        metric("accuracy", progress.accuracy), metric("loss", progress.loss)));
  out_.flush();
}

bool ProgressReport::on_epoch_end(Model&, const EpochResult& result) {
  print_epoch(result);
  return true;
}

void ProgressReport::print_epoch(const EpochResult& result) {
  if (style_ == ProgressStyle::none) return;
  if (style_ == ProgressStyle::bar) {
    print_bar(steps_, epoch_text(result));
    out_ << '\n';
  } else {
    out_ << fmt::format("Epoch {}/{} - {}\n", epoch_, epochs_, epoch_text(result));
  }
  out_.flush();
}

void ProgressReport::print_bar(int64_t step, const std::string& text) {
  const std::string steps = fmt::format("{}", steps_);
  const int64_t filled = steps_ == 0 ? kBarWidth : kBarWidth * step / steps_;
  const size_t width = text.size();
  out_ << fmt::format("\r\x1b[1m{:>{}}/{}\x1b[0m \x1b[32m{}\x1b[37m{}\x1b[0m {}{}", step,
                      steps.size(), steps, repeat("━", filled), repeat("━", kBarWidth - filled),
                      text, std::string(last_width_ > width ? last_width_ - width : 0, ' '));
  last_width_ = width;
}

}  // namespace ember
