#pragma once

#include <ostream>
#include <string>

#include "nn/train.h"

namespace ember {

/// How training reports on its way.
enum class ProgressStyle { bar, line, none };

/// The style that "auto", "bar", "line" or "none" means: auto is the bar when standard output is a
/// terminal, else a line an epoch.
ProgressStyle progress_style(const std::string& name);

/// Reports training as Keras does, either by a bar that moves in place:
///
///     Epoch 3/10
///     213/213 ━━━━━━━━━━━━━━━━━━━━ 34s 157ms/step - accuracy: 0.4101 - loss: 1.2281 - ...
///
/// or by one line an epoch.
class ProgressReport : public Callback {
 public:
  ProgressReport(ProgressStyle style, std::ostream& out) : style_(style), out_(out) {}

  void on_epoch_begin(int epoch, int epochs) override;
  void on_step(const StepProgress& progress) override;
  bool on_epoch_end(Model& model, const EpochResult& result) override;

  /// What on_epoch_end prints.
  void print_epoch(const EpochResult& result);

 private:
  void print_bar(int64_t step, const std::string& text);

  ProgressStyle style_;
  std::ostream& out_;
  int epoch_ = 0;
  int epochs_ = 0;
  int64_t steps_ = 0;
  double drawn_at_ = 0;    // seconds into the epoch
  size_t last_width_ = 0;  // of the text on the line
};

}  // namespace ember
