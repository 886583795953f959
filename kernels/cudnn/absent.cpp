// Stands in for the other files of this folder where the headers of cuDNN are not installed.
#include "kernels/cudnn/library.h"
#include "tensor/error.h"

namespace ember::cudnn {

const Library& library() {
  fail(ExitCode::unavailable,
       "cuDNN: this build of Ember is without it; install the headers of cuDNN 9 and build again");
}

}  // namespace ember::cudnn
