#include "kernels/conv_backend.h"

#include <atomic>

#include "kernels/cudnn/library.h"

namespace ember {
namespace {

std::atomic<ConvBackend> chosen{ConvBackend::own};

}  // namespace

std::string_view to_string(ConvBackend backend) {
  return backend == ConvBackend::own ? "own" : "cuDNN";
}

void set_conv_backend(ConvBackend backend) {
  if (backend == ConvBackend::cudnn) cudnn::library();
  chosen = backend;
}

ConvBackend conv_backend() { return chosen; }

}  // namespace ember
