#pragma once

#include <optional>
#include <vector>

#include "data/loader.h"
#include "nn/train.h"

namespace ember {

/// A loader as the training loop takes it; leaves it where the user interrupts.
class LoaderSource : public BatchSource {
 public:
  LoaderSource(const Dataset& dataset, const std::vector<int64_t>& rows,
               const LoaderOptions& options)
      : loader_(dataset, rows, options) {}

  int64_t batch_count() const override { return loader_.batch_count(); }
  void start_epoch(uint64_t epoch) override { loader_.start_epoch(epoch); }
  std::optional<BatchView> next() override;

 private:
  Loader loader_;
};

}  // namespace ember
