#include "apps/loader_source.h"

#include "tensor/interrupt.h"

namespace ember {

std::optional<BatchView> LoaderSource::next() {
  check_interrupt();
  const Batch* batch = loader_.next();
  if (batch == nullptr) return std::nullopt;
  return BatchView{batch->images, batch->labels};
}

}  // namespace ember
