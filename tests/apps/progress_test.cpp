#include "apps/progress.h"

#include <doctest/doctest.h>

#include <sstream>

namespace ember {
namespace {

const EpochResult kEpoch{.stage = "frozen",
                         .epoch = 3,
                         .loss = 1.2281,
                         .accuracy = 0.4101,
                         .val_loss = 0.00051234,
                         .val_accuracy = 0.5626,
                         .learning_rate = 1e-3,
                         .seconds = 34.2,
                         .ms_per_step = 157.4};

std::string report(ProgressStyle style) {
  std::ostringstream out;
  ProgressReport progress(style, out);
  progress.on_epoch_begin(3, 10);
  progress.on_step({.step = 1, .steps = 213, .loss = 2, .accuracy = 0.25, .seconds = 0.5});
  progress.on_step({.step = 2, .steps = 213, .loss = 2, .accuracy = 0.25, .seconds = 0.51});
  progress.on_step({.step = 213, .steps = 213, .loss = 1, .accuracy = 0.5, .seconds = 30});
  progress.print_epoch(kEpoch);
  return out.str();
}

}  // namespace

TEST_CASE("lines: one an epoch") {
  CHECK(report(ProgressStyle::line) ==
        "Epoch 3/10 - 34s 157ms/step - accuracy: 0.4101 - loss: 1.2281 - val_accuracy: 0.5626 - "
        "val_loss: 5.1234e-04\n");
}

TEST_CASE("bar: drawn in place, not more often than ten times a second") {
  const std::string text = report(ProgressStyle::bar);
  CHECK(text.starts_with("Epoch 3/10\n\r"));
  CHECK(text.find("  1/213") != std::string::npos);
  CHECK(text.find("1:46 500ms/step - accuracy: 0.2500 - loss: 2.0000") != std::string::npos);
  CHECK(text.find("  2/213") == std::string::npos);
  CHECK(
      text.ends_with("34s 157ms/step - accuracy: 0.4101 - loss: 1.2281 - val_accuracy: 0.5626 - "
                     "val_loss: 5.1234e-04\n"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
}

TEST_CASE("none: nothing") { CHECK(report(ProgressStyle::none).empty()); }

}  // namespace ember
