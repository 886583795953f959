#include "kernels/epilogue.h"

#include "kernels/add.h"

namespace ember {

void require_fits(const char* operation, const Tensor& y, const Epilogue& epilogue) {
  EMBER_REQUIRE(epilogue.residual.empty() || epilogue.residual.shape() == y.shape(),
                "{}: residual {}, y {}", operation, to_string(epilogue.residual.shape()),
                to_string(y.shape()));
  EMBER_REQUIRE(
      !epilogue.pooling.pools() || (epilogue.residual.empty() && epilogue.gathered() == nullptr),
      "{}: an epilogue that pools has neither residual nor moments", operation);
  if (epilogue.fold != nullptr) require_fits(operation, *epilogue.fold);
  if (epilogue.gathered() == nullptr) return;
  const auto& [mean, variance] = *epilogue.gathered();
  const Shape channels{y.dim(-1)};
  EMBER_REQUIRE(mean.shape() == channels && variance.shape() == channels,
                "{}: mean {}, variance {}, y {}", operation, to_string(mean.shape()),
                to_string(variance.shape()), to_string(y.shape()));
}

void apply_epilogue(const Epilogue& epilogue, Tensor& y) {
  if (!epilogue.residual.empty()) {
    add(y, epilogue.pending, epilogue.residual, {}, y);
  } else if (!epilogue.pending.identity()) {
    materialize(y, epilogue.pending, y);
  }
  if (epilogue.gathered() != nullptr) channel_moments(y, *epilogue.gathered());
  if (epilogue.fold != nullptr) batch_norm_fold({epilogue.fold, 1});
}

}  // namespace ember
