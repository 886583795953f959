// Stands in for the other files of this folder where the headers of cuDNN are not installed.
#include "kernels/cudnn/conv2d.h"
#include "kernels/cudnn/library.h"
#include "tensor/error.h"

namespace ember::cudnn {

const Library& library() {
  fail(ExitCode::unavailable,
       "cuDNN: this build of Ember is without it; install the headers of cuDNN 9 and build again");
}

bool conv2d_forward(const Tensor&, const Pending&, const Tensor&, const Tensor&, const Window&,
                    Tensor&, const Epilogue&) {
  return false;
}

bool conv2d_dgrad(const Tensor&, const PendingGradient&, const Tensor&, const Window&, bool,
                  Tensor&) {
  return false;
}

bool conv2d_wgrad(const Tensor&, const Pending&, const Tensor&, const PendingGradient&,
                  const Window&, Tensor&, Tensor&) {
  return false;
}

}  // namespace ember::cudnn
