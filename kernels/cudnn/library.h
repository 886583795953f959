#pragma once

#include <string>

namespace ember::cudnn {

/// The cuDNN that this process has loaded.
struct Library {
  std::string path;     ///< "/usr/lib/x86_64-linux-gnu/libcudnn.so.9"
  std::string version;  ///< "9.19.0"
};

/// cuDNN is no link dependency: it is opened when first asked for, and a program runs without it.
/// Looked for under the name or folder in the environment variable EMBER_CUDNN, or, where that is
/// not set, as libcudnn.so.9 on the loader's path and then where the build found it. Throws
/// Error(unavailable), the same at each call, when there is none, or it is of another major version
/// than the headers Ember was built with or older than 9.8, or its own parts cannot be loaded, or
/// this build is without cuDNN.
const Library& library();

}  // namespace ember::cudnn
